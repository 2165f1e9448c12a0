"""Who calls: the API key of one profile, or a token of a whole organisation, its own or by consent (mollie.md D2)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from marketplace.payments.sandbox import accounts
from marketplace.payments.sandbox.book import now_in, stamp
from marketplace.payments.sandbox.refusals import unprocessable
from marketplace.payments.sandbox.shapes import Profile

#: Everything that the sandbox asks for somewhere; more exist at Mollie.
SCOPES = frozenset(
    {
        *("payments.read", "payments.write", "refunds.read", "refunds.write", "profiles.read"),
        *("balances.read", "settlements.read", "balance-transfers.read", "balance-transfers.write"),
        *("organizations.read", "onboarding.read", "onboarding.write", "clients.read", "clients.write"),
    }
)
ACCESS_TOKEN = re.compile(r"access_[A-Za-z0-9_]{1,60}")


@dataclass(frozen=True, slots=True)
class Credential:
    """`profile` is an API key's; a token has none, it names the profile in each call, and it has `scopes`."""

    secret: str
    organization_id: str
    profile: Profile | None
    scopes: frozenset[str] = frozenset()

    @property
    def is_token(self) -> bool:
        return self.profile is None


def of_key(keys: Mapping[str, Profile], secret: str) -> Credential | None:
    """Whose API key `secret` is; None when it is none."""
    return Credential(secret, keys[secret].organization_id, keys[secret]) if secret in keys else None


def of_token(db: sqlite3.Connection, secret: str) -> Credential | None:
    """Whose access token `secret` is; None for one that is unknown, too old or revoked."""
    row = db.execute("SELECT * FROM access_tokens WHERE token = ? AND revoked_at IS NULL", (secret,)).fetchone()
    if row is not None:
        return Credential(secret, row["organization_id"], None, frozenset(row["scopes"].split()))
    granted = accounts.find_access(db, secret)
    if granted is not None:
        return Credential(secret, granted.organization_id, None, frozenset(granted.scope.split()))
    return None


def register_profile(db: sqlite3.Connection, profile: Profile) -> None:
    """The book knows whose the profile's payments are."""
    db.execute(
        "INSERT INTO profiles (id, organization_id, name) VALUES (?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id, name = excluded.name",
        (profile.id, profile.organization_id, profile.name),
    )


def profiles_of(db: sqlite3.Connection, organization_id: str) -> list[Profile]:
    rows = db.execute("SELECT * FROM profiles WHERE organization_id = ? ORDER BY id", (organization_id,))
    return [Profile(row["id"], row["organization_id"], row["name"]) for row in rows]


def issue(db: sqlite3.Connection, token: str, organization_id: str, scopes: Iterable[str]) -> None:
    """`token` opens what belongs to the organisation, within `scopes`; 422 for a token or a scope of no known form."""
    if not ACCESS_TOKEN.fullmatch(token):
        raise unprocessable("token", "As in 'access_sandbox'.")
    wanted = sorted(set(scopes))
    if not set(wanted) <= SCOPES:
        raise unprocessable("scopes", f"Some of: {', '.join(sorted(SCOPES))}.")
    db.execute(
        "INSERT INTO access_tokens (token, organization_id, scopes) VALUES (?, ?, ?)"
        " ON CONFLICT (token) DO UPDATE SET organization_id = excluded.organization_id,"
        " scopes = excluded.scopes, revoked_at = NULL",
        (token, organization_id, " ".join(wanted)),
    )


def revoke(db: sqlite3.Connection, token: str) -> bool:
    """The token opens nothing any more; whether it did."""
    revoked = db.execute(
        "UPDATE access_tokens SET revoked_at = ? WHERE token = ? AND revoked_at IS NULL", (stamp(now_in(db)), token)
    )
    return bool(revoked.rowcount)
