"""What a newcomer and a host start with: commands, versions, licence."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from honcho.environ import parse_procfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import marketplace

ROOT = Path(__file__).resolve().parents[2]
OWN = "marche-commun"
#: What pip and setuptools are to every environment, nobody pins.
TOOLS = {"pip", "setuptools", "wheel"}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one.name): str(one.specifier) for one in found}


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Every distribution that an installation of `name` brings to this machine, itself included."""
    if (name, extras) in seen:
        return set()
    seen.add((name, extras))
    names = {name}
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            names |= needed(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)
    return names


def test_everything_that_is_installed_has_one_exact_version() -> None:
    found = needed(OWN, frozenset({"", "test", "demo"}), set()) - {OWN} - TOOLS
    known = pins()
    assert sorted(found - set(known)) == []
    assert [version for version in known.values() if not re.fullmatch(r"==[^,*]+", version)] == []


def test_the_kept_versions_are_those_that_the_tests_run_with() -> None:
    others = []
    for name, version in pins().items():
        try:
            installed = distribution(name).version
        except PackageNotFoundError:
            continue  # a package of another platform
        if version != f"=={installed}":
            others.append(f"{name} {installed}, constraints.txt says {version}")
    assert others == []


def test_the_demo_needs_nothing_that_only_the_tests_install() -> None:
    setup = configparser.RawConfigParser()
    setup.read(ROOT / "setup.cfg")
    demo, test = (setup["options.extras_require"][extra].split() for extra in ("demo", "test"))
    assert set(demo) <= set(test)


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("Procfile", ["web", "worker", "release"]),
        ("Procfile.dev", ["web", "worker", "payments", "townsfolk"]),
    ],
)
def test_every_process_of_a_procfile_can_be_found(file: str, names: list[str]) -> None:
    processes = parse_procfile((ROOT / file).read_text()).processes
    assert list(processes) == names
    for line in processes.values():
        program, *words = shlex.split(line)
        assert (Path(sys.executable).parent / program).exists(), program
        if words[:1] == ["-m"]:
            module = words[1].replace(".", "/")
            assert (ROOT / module / "__main__.py").exists() or (ROOT / f"{module}.py").exists(), words[1]
        assert "marketplace.app" in line or words[0] == "-m"


@pytest.mark.parametrize("target", ["help", "demo", "demo-reset", "test", "lint", "bench"])
def test_make_knows_the_target(target: str) -> None:
    make = shutil.which("make")
    assert make is not None
    planned = subprocess.run([make, "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert planned.returncode == 0, planned.stderr


def test_make_alone_lists_the_commands() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    for target in ("make demo", "make demo-reset", "make test", "make lint", "make bench"):
        assert re.search(rf"^{target} ", listed, re.MULTILINE)


def test_the_tests_run_in_the_order_from_cheap_to_dear() -> None:
    plan = subprocess.run(
        ["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    steps = ["ruff check", "ruff format --check", "mypy", "lint-imports", "pytest -n auto"]
    places = [plan.index(f".venv/bin/{step}") for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize("script", sorted([*(ROOT / "tools").glob("*.sh"), ROOT / ".ci" / "run"], key=str))
def test_scripts_have_no_slip_of_the_pen(script: Path) -> None:
    assert script.stat().st_mode & 0o100, f"{script} is not executable"
    shell = "bash" if script.name == "run" else "sh"
    subprocess.run([shell, "-n", str(script)], check=True, timeout=30)


def test_the_build_machine_runs_what_everybody_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail\n" in script
    assert script.rstrip().endswith("make test")


def test_the_licence_is_the_agpl_and_the_whole_of_it() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.lstrip().startswith(
        "GNU AFFERO GENERAL PUBLIC LICENSE\n                       Version 3, 19 November 2007"
    )
    for number in range(18):
        assert re.search(rf"^  {number}\. ", text, re.MULTILINE), number
    assert "13. Remote Network Interaction" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_package_says_its_version_and_licence() -> None:
    metadata = distribution(OWN).metadata
    assert metadata["Version"] == marketplace.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", marketplace.__version__)
    assert "AGPL-3.0-or-later" in (metadata["License-Expression"] or metadata["License"])
