"""(d) The round instances, planned by the command that people use, judged by a checker that knows no engine."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from bench.reporting import Report

#: instance → (CPU seconds, kilometres at most).
BARS = {"s25_o40": (3, 82.0), "s25_o150": (10, 172.0)}


def measure_planning(instances: Path, folder: Path, report: Report) -> None:
    """`instances` holds the JSON files and their checker."""
    report.say("(d) rounds solve, CPU of the command and its child")
    for name, (seconds, most_km) in BARS.items():
        solution = folder / f"{name}.json"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "flask", "--app", "marketplace.app", "rounds", "solve"]
        arguments = [str(instances / f"{name}.json"), "--seconds", str(seconds), "--out", str(solution)]
        subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        checker = [sys.executable, str(instances / "check_round.py"), str(instances / f"{name}.json"), str(solution)]
        verdict = json.loads(subprocess.run(checker, check=False, capture_output=True, text=True).stdout)
        report.at_most(f"{name} kilometres", verdict["km"], most_km)
        report.at_most(f"{name} CPU seconds, start-up included", cpu_s, seconds)
        report.exactly(f"{name} violations", verdict["n_errors"], 0)
        report.exactly(f"{name} orders partly served or left out", verdict["partial"] + verdict["unserved"], 0)
