"""Browsers in which somebody is signed in who plays a part for the association, or works for a merchant."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from marketplace.accounts.models import SignIn, User
from marketplace.accounts.people import grant_role
from marketplace.hall import Hall
from marketplace.ids import new_token
from merchants.models import Member, Merchant
from tests.basket.counter import Browser


def browser_of(app: Flask, hall: Hall, *, role: str | None = None, works_for: str | None = None) -> Browser:
    """Odile Ferrand's browser; without a part, one in which nobody is signed in."""
    client = app.test_client()
    if role is None and works_for is None:
        return Browser(client)
    token, now = new_token(), hall.clock.now()
    with hall.database.transaction() as session:
        user = User(email=f"{token}@example.org".lower(), name="Odile Ferrand", created_at=now)
        session.add(user)
        session.flush()
        if role is not None:
            grant_role(session, user_id=user.id, role=role, actor="test", now=now)
        if works_for is not None:
            merchant_id = session.scalars(select(Merchant.id).where(Merchant.key == works_for)).one()
            session.add(Member(user_id=user.id, merchant_id=merchant_id, role="owner"))
        session.add(SignIn(token=token, user_id=user.id, signed_in_at=now, seen_at=now))
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    return Browser(client)
