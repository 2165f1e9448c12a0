from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from marketplace.delivery.planner import plan_from_json, problem_from_json, violations
from marketplace.delivery.rounds_cli import rounds
from tests.marketplace.delivery.planner.town import town_document


def solve(instance: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(rounds, ["solve", str(instance), "--seconds", "1", "--out", str(out), *more])


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(town_document(1, order_qty=12)))
    return path


def test_a_solved_round_is_written_and_told(instance: Path, tmp_path: Path) -> None:
    result = solve(instance, tmp_path / "out.json", "--seed", "4")
    assert result.exit_code == 0
    assert result.stdout.endswith("12 orders served\n")
    problem = problem_from_json(instance.read_text())
    plan = plan_from_json((tmp_path / "out.json").read_text(), problem)
    assert plan.unserved == ()
    assert violations(problem, plan) == ()


def test_a_round_in_which_nobody_can_be_served_ends_with_1(instance: Path, tmp_path: Path) -> None:
    document = json.loads(instance.read_text())
    for order in document["orders"]:
        order["tw"] = [0, 3600]
    instance.write_text(json.dumps(document))
    result = solve(instance, tmp_path / "out.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("12 orders fit nowhere: 100, 101, 102")
    assert json.loads((tmp_path / "out.json").read_text())["routes"] == {}


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"nothing like it"])
def test_an_unreadable_file_ends_with_2_and_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    result = solve(tmp_path / "broken.json", tmp_path / "out.json")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out.json").exists()


def test_a_file_that_is_not_there_ends_with_2(tmp_path: Path) -> None:
    assert solve(tmp_path / "nowhere.json", tmp_path / "out.json").exit_code == 2


def test_a_place_where_nothing_can_be_written_ends_with_2(instance: Path, tmp_path: Path) -> None:
    assert solve(instance, tmp_path / "no" / "folder" / "out.json").exit_code == 2


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "many", "999999"])
def test_a_budget_that_is_none_is_refused(seconds: str, instance: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        rounds, ["solve", str(instance), "--seconds", seconds, "--out", str(tmp_path / "out.json")]
    )
    assert result.exit_code == 2


def test_when_the_engines_fail_a_plain_plan_is_written_and_said(
    instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vroom.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = solve(instance, tmp_path / "out.json")
    assert result.exit_code == 0
    assert "this is the plain plan" in result.stderr
    problem = problem_from_json(instance.read_text())
    assert violations(problem, plan_from_json((tmp_path / "out.json").read_text(), problem)) == ()
