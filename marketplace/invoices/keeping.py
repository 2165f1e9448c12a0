"""Papers as they were first handed out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from marketplace.invoices.models import IssuedDocument, KeptPaper


@dataclass(frozen=True, slots=True)
class Paper:
    pdf: bytes
    sha256: bytes


def find_paper(session: Session, *, token: str) -> Paper | None:
    """The kept paper of the document behind a link; None while nobody has asked for it."""
    row = session.execute(
        select(KeptPaper.pdf, KeptPaper.sha256)
        .join(IssuedDocument, IssuedDocument.id == KeptPaper.document_id)
        .where(IssuedDocument.token == token)
    ).one_or_none()
    return Paper(row.pdf, row.sha256) if row is not None else None


def keep_paper(session: Session, *, token: str, pdf: bytes, now: datetime) -> Paper:
    """The paper that stands from now on: this one, or the one that somebody else has kept meanwhile. NotFound."""
    document_id = session.scalar(select(IssuedDocument.id).where(IssuedDocument.token == token))
    if document_id is None:
        raise NotFound()
    session.execute(
        insert(KeptPaper)
        .values(document_id=document_id, sha256=hashlib.sha256(pdf).digest(), made_at=now, pdf=pdf)
        .on_conflict_do_nothing(index_elements=[KeptPaper.document_id])
    )
    kept = find_paper(session, token=token)
    assert kept is not None, "just kept"
    return kept
