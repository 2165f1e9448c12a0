"""What the demo says when the doors open: where it is, and who can sign in."""

from __future__ import annotations

import csv
from pathlib import Path

from demo.surroundings import Ports

PEOPLE = Path(__file__).parent / "town" / "people.csv"
RULE = "─" * 78


def welcome(ports: Ports, *, site_url: str, password: str, people: Path = PEOPLE) -> str:
    """The frame that `make demo` prints once the site answers."""
    with people.open(encoding="utf-8", newline="") as rows:
        sign_ins = [
            f"    {person['role']:<12} {person['email']:<35} {person['name']}"
            for person in csv.DictReader(rows, delimiter=";")
        ]
    lines = [
        RULE,
        "  The market hall of the demo town is open:",
        "",
        f"    {site_url}",
        "",
        f"    letters that it sends    {ports.letters_url}",
        f"    payments (play money)    {ports.payments_url}",
        "",
        "  Residents need no account. The people who work here sign in:",
        "",
        f"    page         {site_url}/connexion",
        f"    password     {password}",
        "",
        *sign_ins,
        "",
        "  Ctrl-C stops everything and keeps what happened; `make demo-reset` forgets it.",
        RULE,
    ]
    return "\n".join(lines)
