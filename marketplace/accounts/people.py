"""Opening accounts and granting parts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.accounts.models import RoleGrant, User
from marketplace.accounts.passwords import LONGEST, SHORTEST, hash_password
from marketplace.errors import FieldError


def open_account(session: Session, *, email: str, name: str, password: str, now: datetime) -> User:
    """A new account that can sign in; FieldError when the address is taken or the password too short or long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise FieldError("password", "password_length", shortest=SHORTEST)
    email = email.lower()
    if session.scalar(select(User.id).where(User.email == email)) is not None:
        raise FieldError("email", "email_taken")
    user = User(email=email, name=name, password_hash=hash_password(password), created_at=now)
    session.add(user)
    session.flush()
    return user


def grant_role(session: Session, *, user_id: int, role: str, actor: str, now: datetime) -> None:
    """The person plays the part from now on; nothing changes if they did already."""
    if session.get(RoleGrant, (user_id, role)) is None:
        session.add(RoleGrant(user_id=user_id, role=role, granted_at=now, granted_by=actor))


def names_of(session: Session, actors: Collection[str]) -> dict[str, str]:
    """How people are called whom the books name `person:<id>` or `member:<id>`; machines are not among them."""
    ids = {actor: int(actor.rpartition(":")[2]) for actor in actors if actor.startswith(("person:", "member:"))}
    if not ids:
        return {}
    names = {row.id: row.name for row in session.execute(select(User.id, User.name).where(User.id.in_(ids.values())))}
    return {actor: names[user_id] for actor, user_id in ids.items() if user_id in names}
