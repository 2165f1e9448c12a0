"""The letters that arrived, in one SQLite file that outlives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

SHAPE = """
CREATE TABLE IF NOT EXISTS letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    arrived_at TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    message_id TEXT NOT NULL,
    raw BLOB NOT NULL,
    copies_qty INTEGER NOT NULL DEFAULT 1,
    UNIQUE (message_id, recipients)
)
"""


@dataclass(frozen=True, slots=True)
class Received:
    """A letter in the box. `copies_qty` counts how often the same one arrived: more than 1 means sent again."""

    id: int
    arrived_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str
    copies_qty: int


class Letterbox:
    """Everybody's letter box. Any thread may use it: each call opens the file anew."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._file() as file:
            file.execute("PRAGMA journal_mode = WAL")
            file.execute(SHAPE)

    def keep(self, raw: bytes, *, sender: str, recipients: Sequence[str], arrived_at: datetime) -> None:
        """Keep a letter for good: when this returns it is on the disk. A second copy is counted, not kept twice."""
        message_id = str(_parse(raw)["Message-ID"] or f"<none.{arrived_at.timestamp()}>").strip()
        with self._file() as file:
            file.execute(
                "INSERT INTO letters (arrived_at, sender, recipients, message_id, raw) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (message_id, recipients) DO UPDATE SET copies_qty = copies_qty + 1",
                (arrived_at.astimezone(UTC).isoformat(), sender, "\n".join(recipients), message_id, raw),
            )

    def newest(self, *, before_id: int | None = None, to: str | None = None, limit: int = 50) -> list[Received]:
        """Letters, newest first: those older than `before_id`, to one address only, if given."""
        with self._file() as file:
            rows = file.execute(
                "SELECT * FROM letters WHERE (:before IS NULL OR id < :before)"
                " AND (:to IS NULL OR instr(char(10) || recipients || char(10), char(10) || :to || char(10)) > 0)"
                " ORDER BY id DESC LIMIT :limit",
                {"before": before_id, "to": to, "limit": limit},
            ).fetchall()
        return [_read(row) for row in rows]

    def find(self, letter_id: int) -> Received | None:
        with self._file() as file:
            row = file.execute("SELECT * FROM letters WHERE id = ?", (letter_id,)).fetchone()
        return None if row is None else _read(row)

    @contextmanager
    def _file(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as file, file:
            file.row_factory = sqlite3.Row
            yield file


def _read(row: sqlite3.Row) -> Received:
    message = _parse(row["raw"])
    return Received(
        id=row["id"],
        arrived_at=datetime.fromisoformat(row["arrived_at"]),
        sender=row["sender"],
        recipients=tuple(row["recipients"].split("\n")),
        subject=str(message["Subject"] or ""),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        copies_qty=row["copies_qty"],
    )


def _parse(raw: bytes) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(raw)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a charset that nobody knows
        return content.decode("utf-8", "replace")
