"""Who has an account with the provider: organisations, how far their papers are, and whom they let in.

`organizations` holds those that the marketplace may route to; an account exists before its owner has consented, and
after the consent was taken back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.payments.sandbox import organizations
from marketplace.payments.sandbox.book import new_id, now_in, stamp

STATUSES = ("needs-data", "in-review", "completed")
#: mollie.md 2.5: a code is changed for tokens at once; an access token is good for an hour, a refresh token for ever.
CODE_LIFE = timedelta(seconds=30)
ACCESS_LIFE = timedelta(seconds=3600)
LINK_LIFE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Application:
    """Who may ask for consent; browsers are sent back to its own addresses only."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    organization_id: str
    name: str
    email: str
    registration: str
    status: str
    can_receive_payments: bool
    can_receive_settlements: bool
    signed_up_at: datetime


@dataclass(frozen=True, slots=True)
class Code:
    """A consent on its way: what the browser carries back."""

    code: str
    organization_id: str
    redirect_uri: str
    scope: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A consent that the application holds tokens of."""

    position: int
    organization_id: str
    scope: str


def open_account(db: sqlite3.Connection, name: str, *, email: str = "", registration: str = "") -> Account:
    """A new account, whose papers are all missing."""
    organization_id = new_id("org_")
    db.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, 'needs-data', 0, 0, ?)",
        (organization_id, name, email, registration, stamp(now_in(db))),
    )
    return get_account(db, organization_id)


def find_account(db: sqlite3.Connection, organization_id: str) -> Account | None:
    """The account; one that was connected from the start gets its papers when somebody first asks for them."""
    db.execute(
        "INSERT OR IGNORE INTO accounts SELECT id, name, '', '',"
        " CASE WHEN can_receive_payments THEN 'completed' ELSE 'needs-data' END,"
        " can_receive_payments, can_receive_payments, ? FROM organizations WHERE id = ?",
        (stamp(now_in(db)), organization_id),
    )
    row = db.execute("SELECT * FROM accounts WHERE organization_id = ?", (organization_id,)).fetchone()
    if row is None:
        return None
    return Account(
        organization_id=row["organization_id"],
        name=row["name"],
        email=row["email"],
        registration=row["registration"],
        status=row["status"],
        can_receive_payments=bool(row["can_receive_payments"]),
        can_receive_settlements=bool(row["can_receive_settlements"]),
        signed_up_at=datetime.fromisoformat(row["signed_up_at"]),
    )


def get_account(db: sqlite3.Connection, organization_id: str) -> Account:
    account = find_account(db, organization_id)
    assert account is not None, "codes and grants belong to accounts"
    return account


def all_names(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """(id, name) of everybody who has an account, by name."""
    rows = db.execute(
        "SELECT id, name FROM organizations UNION SELECT organization_id, name FROM accounts"
        " WHERE organization_id NOT IN (SELECT id FROM organizations) ORDER BY 2, 1"
    )
    return [(row[0], row[1]) for row in rows]


def set_onboarding(
    db: sqlite3.Connection, account: Account, status: str, *, can_receive_payments: bool, can_receive_settlements: bool
) -> None:
    """The papers are as the tester says; whoever may route to the account learns it at once."""
    db.execute(
        "UPDATE accounts SET status = ?, can_receive_payments = ?, can_receive_settlements = ?"
        " WHERE organization_id = ?",
        (status, can_receive_payments, can_receive_settlements, account.organization_id),
    )
    _connect_if_granted(db, account.organization_id)


def consent(db: sqlite3.Connection, account: Account, *, redirect_uri: str, scope: str) -> str:
    """The owner has said yes; the code that says so for thirty seconds."""
    code = new_id("auth_")
    db.execute(
        "INSERT INTO oauth_codes VALUES (?, ?, ?, ?, ?)",
        (code, account.organization_id, redirect_uri, scope, stamp(now_in(db) + CODE_LIFE)),
    )
    return code


def use_code(db: sqlite3.Connection, code: str) -> Code | None:
    """The code, which is good for nothing from now on; None for one that is unknown, used or too old."""
    row = db.execute("DELETE FROM oauth_codes WHERE code = ? RETURNING *", (code,)).fetchone()
    if row is None or row["until_at"] < stamp(now_in(db)):
        return None
    return Code(row["code"], row["organization_id"], row["redirect_uri"], row["scope"])


def grant(db: sqlite3.Connection, code: Code) -> str:
    """The application may act within the scope; its refresh token. The organisation can be routed to."""
    refresh_token = new_id("refresh_")
    db.execute(
        "INSERT INTO oauth_grants (refresh_token, organization_id, scope, granted_at) VALUES (?, ?, ?, ?)",
        (refresh_token, code.organization_id, code.scope, stamp(now_in(db))),
    )
    _connect_if_granted(db, code.organization_id)
    return refresh_token


def find_grant(db: sqlite3.Connection, refresh_token: str) -> Grant | None:
    row = db.execute(
        "SELECT * FROM oauth_grants WHERE refresh_token = ? AND revoked_at IS NULL", (refresh_token,)
    ).fetchone()
    return Grant(row["position"], row["organization_id"], row["scope"]) if row else None


def issue_access(db: sqlite3.Connection, its_grant: Grant) -> str:
    """A new access token; the earlier ones stay good for their hour."""
    token = new_id("access_")
    db.execute(
        "INSERT INTO oauth_access VALUES (?, ?, ?)", (token, its_grant.position, stamp(now_in(db) + ACCESS_LIFE))
    )
    return token


def find_access(db: sqlite3.Connection, token: str) -> Grant | None:
    """Whom the access token speaks for, while it is good."""
    row = db.execute(
        "SELECT g.* FROM oauth_access a JOIN oauth_grants g ON g.position = a.grant_position"
        " WHERE a.token = ? AND a.until_at > ? AND g.revoked_at IS NULL",
        (token, stamp(now_in(db))),
    ).fetchone()
    return Grant(row["position"], row["organization_id"], row["scope"]) if row else None


def revoke(db: sqlite3.Connection, token: str) -> None:
    """Neither the refresh token nor its access tokens open anything; an access token alone may be given up too.

    Once nobody holds a consent of the organisation it cannot be routed to (an assumption: mollie.md 8).
    """
    db.execute("DELETE FROM oauth_access WHERE token = ?", (token,))
    row = db.execute(
        "UPDATE oauth_grants SET revoked_at = ? WHERE refresh_token = ? AND revoked_at IS NULL"
        " RETURNING organization_id",
        (stamp(now_in(db)), token),
    ).fetchone()
    if row is not None:
        _disconnect_if_alone(db, row["organization_id"])


def revoke_all(db: sqlite3.Connection, organization_id: str) -> None:
    """The owner has thrown the application out, on the provider's own pages."""
    db.execute(
        "UPDATE oauth_grants SET revoked_at = ? WHERE organization_id = ? AND revoked_at IS NULL",
        (stamp(now_in(db)), organization_id),
    )
    _disconnect_if_alone(db, organization_id)


def is_granted(db: sqlite3.Connection, organization_id: str) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM oauth_grants WHERE organization_id = ? AND revoked_at IS NULL", (organization_id,)
        ).fetchone()
        is not None
    )


def _connect_if_granted(db: sqlite3.Connection, organization_id: str) -> None:
    """Connected are those whose consent is held, and those that were connected from the start without any."""
    account = get_account(db, organization_id)
    never_asked = db.execute(
        "SELECT 1 FROM organizations WHERE id = ? AND id NOT IN (SELECT organization_id FROM oauth_grants)",
        (organization_id,),
    ).fetchone()
    if never_asked or is_granted(db, organization_id):
        organizations.connect(
            db, organizations.Organization(organization_id, account.name, account.can_receive_payments)
        )


def _disconnect_if_alone(db: sqlite3.Connection, organization_id: str) -> None:
    if not is_granted(db, organization_id):
        db.execute("UPDATE organizations SET can_receive_payments = 0 WHERE id = ?", (organization_id,))


def create_link(db: sqlite3.Connection, prefilled: Mapping[str, str]) -> str:
    """A client link; its id."""
    link_id = new_id("cl_")
    db.execute(
        "INSERT INTO client_links VALUES (?, ?, ?, ?, ?, NULL)",
        (link_id, prefilled["name"], prefilled["email"], prefilled["registration"], stamp(now_in(db) + LINK_LIFE)),
    )
    return link_id


def find_link(db: sqlite3.Connection, link_id: str) -> sqlite3.Row | None:
    """The link (name, email, registration, organization_id once it was used), while it is good."""
    found: sqlite3.Row | None = db.execute(
        "SELECT * FROM client_links WHERE id = ? AND until_at > ?", (link_id, stamp(now_in(db)))
    ).fetchone()
    return found


def follow_link(db: sqlite3.Connection, link: sqlite3.Row, name: str) -> Account:
    """The account that the link has opened; the same one however often it is followed."""
    if link["organization_id"] is not None:
        return get_account(db, link["organization_id"])
    account = open_account(db, name, email=link["email"], registration=link["registration"])
    db.execute("UPDATE client_links SET organization_id = ? WHERE id = ?", (account.organization_id, link["id"]))
    return account
