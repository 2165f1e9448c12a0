"""The tables about money that the provider holds, and about who may ask for it; `book` creates them."""

from __future__ import annotations

# Amounts are whole cents, signed where the name says nothing else: what comes in is positive.
MONEY_TABLES = """
CREATE TABLE IF NOT EXISTS profiles (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS access_tokens (
    token TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    revoked_at TEXT
);
"""
