"""`ledger check` says what is wrong and where, and how far it is to whoever sits at a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from marketplace.db import Database
from tests.marketplace.ledger.book import M1, seal_and_close, tamper, utc, write

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def book(empty_database: Database) -> Database:
    with empty_database.transaction() as session:
        write(session, "one", utc(23), 100, to=M1)
        write(session, "two", utc(24), 200, to=M1)
    seal_and_close(empty_database, utc(24))
    return empty_database


def test_a_right_book_is_said_to_be_right(app: Flask, book: Database) -> None:
    answer = app.test_cli_runner().invoke(args=["ledger", "check"])
    assert answer.exit_code == 0
    assert answer.stderr == ""
    lines = answer.stdout.splitlines()
    assert lines[0].split() == ["holding", "3.00"]
    assert lines[1].split() == ["merchant:m1", "-3.00"]
    assert re.fullmatch(r"sealed until 2:[0-9a-f]{64}, closed until 1, waiting: 0", lines[2])
    assert lines[3] == "2 accounts, sum 0, things wrong: 0"


def test_an_empty_book_is_right(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(args=["ledger", "check"])
    assert (answer.exit_code, answer.stderr) == (0, "")


@pytest.fixture
def change(book: Database) -> Callable[[str], None]:
    """Change the book for good, as a superuser; the self-check after the test must not find it any more."""

    def run(statement: str) -> None:
        with book.transaction() as session:
            tamper(session, statement)

    return run


def test_what_is_wrong_is_said_with_its_place_and_the_exit_code(app: Flask, change: Callable[[str], None]) -> None:
    change("UPDATE ledger_posting SET actor = 'nobody' WHERE id = 2")
    answer = app.test_cli_runner().invoke(args=["ledger", "check"])
    change("UPDATE ledger_posting SET actor = 'test' WHERE id = 2")
    assert answer.exit_code == 1
    assert answer.stderr == "number 2: posting two or its seal is not what was sealed\n"
    assert answer.stdout.endswith("2 accounts, sum 0, things wrong: 1\n")


def test_a_line_that_was_kept_elsewhere_is_compared(app: Flask, book: Database) -> None:
    """As after a forgery of everything, which leaves a book without a fault of its own."""
    run = app.test_cli_runner().invoke
    printed = re.search("[0-9]+:[0-9a-f]{64}", run(args=["ledger", "check"]).stdout)
    assert printed is not None
    right, forged = printed.group(), f"2:{'ab' * 32}"
    assert run(args=["ledger", "check", "--kept", right]).exit_code == 0
    answer = run(args=["ledger", "check", "--kept", right, "--kept", forged, "--kept", f"3:{'ab' * 32}"])
    assert answer.exit_code == 1
    assert answer.stderr.splitlines() == [
        "number 2 has not the hash that was kept: the book was written anew since",
        "number 3 has not the hash that was kept: the book was written anew since",
    ]


@pytest.mark.parametrize("kept", ["2", "2:ab", "x:" + "ab" * 32, "2:" + "AB" * 32])
def test_what_was_never_printed_is_refused(app: Flask, kept: str) -> None:
    answer = app.test_cli_runner().invoke(args=["ledger", "check", "--kept", kept])
    assert answer.exit_code == 2
    assert "is not a number, a colon and 64 hexadecimal digits" in answer.stderr


def _check(database: Database, folder: Path, stderr: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": database.conninfo(), "INSTANCE_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "marketplace.app", "ledger", "check"],
        cwd=ROOT,
        env={**environment, "SECRET_KEY": "t" * 40, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=False,
    )


def test_progress_is_shown_on_a_terminal_and_not_in_a_pipe(book: Database, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    at_terminal = _check(book, tmp_path, stderr=theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)
    piped = _check(book, tmp_path, stderr=subprocess.PIPE)
    assert (at_terminal.returncode, piped.returncode) == (0, 0)
    assert re.search(r"ledger .*100%", shown)
    assert piped.stderr == ""
    assert piped.stdout == at_terminal.stdout
