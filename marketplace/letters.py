"""Sending a letter once: the register is written first, the mail server called second, its answer kept third (M05)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.mail import Letter
from marketplace.mail_models import SentLetter


def send_once(hall: Hall, letter: Letter) -> None:
    """The letter has gone, or the register says why it never will.

    A letter that has ended is not sent again, whoever asks; only a process that dies between the mail server's
    answer and our note of it sends twice, under the same Message-ID. GatewayError when it is worth trying again.
    """
    with hall.database.transaction() as session:
        if not _is_due(session, letter, hall.clock.now()):
            return
    failed_reason = None
    try:
        hall.mailer.send(letter)
    except GatewayError as refused:
        if not refused.permanent:
            raise
        failed_reason = str(refused)
    with hall.database.transaction() as session:
        session.execute(
            update(SentLetter)
            .where(SentLetter.key == letter.key)
            .values(sent_at=None if failed_reason else hall.clock.now(), failed_reason=failed_reason)
        )


def _is_due(session: Session, letter: Letter, now: datetime) -> bool:
    """The letter is in the register; whether it still has to go."""
    is_new = session.scalar(
        insert(SentLetter)
        .values(key=letter.key, to=letter.to, asked_at=now)
        .on_conflict_do_nothing(index_elements=[SentLetter.key])
        .returning(SentLetter.key)
    )
    if is_new:
        return True
    sent_at, failed_reason = session.execute(
        select(SentLetter.sent_at, SentLetter.failed_reason).where(SentLetter.key == letter.key)
    ).one()
    return sent_at is None and failed_reason is None
