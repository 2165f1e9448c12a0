"""Signing in and out; each browser's sign-in is a row that can be ended from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_login import UserMixin
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from marketplace.accounts import passwords
from marketplace.accounts.models import RoleGrant, SignIn, User
from marketplace.errors import FieldError
from marketplace.ids import new_token

#: Signed out after three days without a page, and after thirty in any case (S43); shopkeepers open the site daily.
IDLE, LONGEST = timedelta(days=3), timedelta(days=30)

#: A visit is noted so often: of a sign-in that lives for days, and not with a write a page.
NOTED_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class CurrentUser(UserMixin):
    """The person behind the request. `sign_in_token` is what the cookie holds; `seen_at` is noted once an hour."""

    id: int
    name: str
    email: str
    roles: frozenset[str]
    sign_in_token: str
    seen_at: datetime

    def get_id(self) -> str:
        return self.sign_in_token


def sign_in(session: Session, *, email: str, password: str, now: datetime) -> str:
    """Open a sign-in for the account with this address and password; its token.

    FieldError("password", "wrong_sign_in"), the same for an unknown address, a wrong password and a closed account.
    """
    user = session.scalars(select(User).where(User.email == email.lower())).one_or_none()
    known = passwords.matches(user.password_hash if user else None, password)
    if user is None or not known or not user.is_active:
        raise FieldError("password", "wrong_sign_in")
    token = new_token()
    session.add(SignIn(token=token, user_id=user.id, signed_in_at=now, seen_at=now))
    return token


def sign_out(session: Session, *, token: str, now: datetime) -> None:
    """The token opens nothing any more."""
    session.execute(update(SignIn).where(SignIn.token == token, SignIn.ended_at.is_(None)).values(ended_at=now))


def find_current_user(session: Session, *, token: str, now: datetime) -> CurrentUser | None:
    """Who a cookie's token stands for, while the sign-in lives and the account is open."""
    roles = func.array(select(RoleGrant.role).where(RoleGrant.user_id == User.id).scalar_subquery())
    row = session.execute(
        select(User.id, User.name, User.email, roles, SignIn.seen_at)
        .join(SignIn, SignIn.user_id == User.id)
        .where(
            SignIn.token == token,
            SignIn.ended_at.is_(None),
            SignIn.seen_at > now - IDLE,
            SignIn.signed_in_at > now - LONGEST,
            User.is_active,
        )
    ).one_or_none()
    if row is None:
        return None
    user_id, name, email, granted, seen_at = row
    return CurrentUser(user_id, name, email, frozenset(granted), token, seen_at)


def note_visit(session: Session, *, token: str, now: datetime) -> None:
    """The sign-in lives on from now."""
    session.execute(update(SignIn).where(SignIn.token == token).values(seen_at=now))
