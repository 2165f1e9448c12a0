"""People with a sign-in, what they may do, and where they are signed in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db import Base, Id, Key, Token


class User(Base):
    """Staff of the association, couriers, merchants' people. Residents need no account."""

    __tablename__ = "user_account"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    #: argon2id; empty until the person has chosen a password.
    password_hash: Mapped[str] = mapped_column(server_default="")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]


class RoleGrant(Base):
    """A part that a person plays for the association. Working for a merchant is `merchants.Member`."""

    __tablename__ = "role_grant"
    __table_args__ = (CheckConstraint("role IN ('coordinator', 'treasurer', 'courier')", name="role_known"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), primary_key=True)
    role: Mapped[Key] = mapped_column(primary_key=True)
    granted_at: Mapped[datetime]
    granted_by: Mapped[str]


class SignIn(Base):
    """One browser signed in; its token sits in the cookie, so that signing out works on the server (S43)."""

    __tablename__ = "sign_in"

    id: Mapped[Id]
    token: Mapped[Token]
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    signed_in_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
