"""Connected organisations: the merchants' accounts with the provider."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from marketplace.payments.sandbox.book import new_id
from marketplace.payments.sandbox.refusals import ApiRefusal, unprocessable

ORGANIZATION_ID = re.compile(r"org_[A-Za-z0-9]{4,40}")


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    name: str
    can_receive_payments: bool

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "name": self.name, "canReceivePayments": self.can_receive_payments}


def read(body: Mapping[str, object]) -> Organization:
    """The organisation in {id?, name, canReceivePayments?}; 422 for nonsense."""
    organization_id = body.get("id") or new_id("org_")
    name, can_receive = body.get("name"), body.get("canReceivePayments", True)
    if not isinstance(organization_id, str) or not ORGANIZATION_ID.fullmatch(organization_id):
        raise unprocessable("id", "As in 'org_1234567'.")
    if not isinstance(name, str) or not name.strip():
        raise unprocessable("name", "The name is missing.")
    if not isinstance(can_receive, bool):
        raise unprocessable("canReceivePayments", "true or false.")
    return Organization(organization_id, name, can_receive)


def read_file(path: Path) -> tuple[Organization, ...]:
    """The organisations in a JSON list, none when there is no file; ValueError for nonsense."""
    if not path.exists():
        return ()
    listed = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise ValueError(f"{path} is not a list of organisations")
    try:
        return tuple(read(item) for item in listed)
    except ApiRefusal as refusal:
        raise ValueError(f"{path}: {refusal.field}: {refusal.detail}") from refusal


def connect(db: sqlite3.Connection, organization: Organization) -> None:
    """The organisation is connected as described, whether or not it was before."""
    db.execute(
        "INSERT INTO organizations (id, name, can_receive_payments) VALUES (?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
        " can_receive_payments = excluded.can_receive_payments",
        (organization.id, organization.name, organization.can_receive_payments),
    )
    db.execute(
        "UPDATE accounts SET can_receive_payments = ? WHERE organization_id = ?",
        (organization.can_receive_payments, organization.id),
    )


def read_destination(db: sqlite3.Connection, destination: object, field: str) -> str:
    """The organisation that a share goes to; 422 unless it is connected and may receive payments."""
    if not isinstance(destination, dict) or destination.get("type") != "organization":
        raise unprocessable(field, "A share goes to an organisation.")
    organization_id = destination.get("organizationId")
    if not isinstance(organization_id, str):
        raise unprocessable(f"{field}.organizationId", "The organisation is missing.")
    row = db.execute("SELECT can_receive_payments FROM organizations WHERE id = ?", (organization_id,)).fetchone()
    if row is None:
        raise unprocessable(f"{field}.organizationId", "This organisation is not connected.")
    if not row["can_receive_payments"]:
        raise unprocessable(f"{field}.organizationId", "This organisation cannot receive payments yet.")
    return organization_id
