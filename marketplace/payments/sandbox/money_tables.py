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

CREATE TABLE IF NOT EXISTS setup (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    fee_basis_points INTEGER NOT NULL CHECK (fee_basis_points >= 0),
    fee_fixed_cents INTEGER NOT NULL CHECK (fee_fixed_cents >= 0)
);
INSERT OR IGNORE INTO setup VALUES (1, 0, 0);

CREATE TABLE IF NOT EXISTS later_fees (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    refund_cents INTEGER NOT NULL CHECK (refund_cents >= 0),
    chargeback_cents INTEGER NOT NULL CHECK (chargeback_cents >= 0)
);
INSERT OR IGNORE INTO later_fees VALUES (1, 0, 0);

CREATE TABLE IF NOT EXISTS upfront_routes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    release_on TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (payment_id, organization_id)
);

-- What an organisation cannot use yet: a payment's unrouted rest until the 90 days are over, a share until its release.
CREATE TABLE IF NOT EXISTS holds (
    organization_id TEXT NOT NULL,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    until_at TEXT NOT NULL,
    ended_at TEXT,
    PRIMARY KEY (organization_id, payment_id)
);
CREATE INDEX IF NOT EXISTS holds_to_end ON holds (until_at) WHERE ended_at IS NULL;

-- amount_cents is what the balance gains, held_cents the part of it that changes what is held.
CREATE TABLE IF NOT EXISTS balance_transactions (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    type TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    held_cents INTEGER NOT NULL,
    payment_id TEXT REFERENCES payments (id),
    refund_id TEXT REFERENCES refunds (id),
    chargeback_id TEXT REFERENCES chargebacks (id),
    settlement_id TEXT,
    transfer_id TEXT,
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS transactions_of_balance ON balance_transactions (organization_id, currency, position);
CREATE INDEX IF NOT EXISTS transactions_of_payment ON balance_transactions (payment_id);
CREATE INDEX IF NOT EXISTS transactions_of_refund ON balance_transactions (refund_id) WHERE refund_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS transactions_of_chargeback ON balance_transactions (chargeback_id)
    WHERE chargeback_id IS NOT NULL;
-- What the provider kept of a line, where it has no line of its own for that.
CREATE TABLE IF NOT EXISTS deductions (
    transaction_id TEXT PRIMARY KEY REFERENCES balance_transactions (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0)
);
CREATE TRIGGER IF NOT EXISTS transactions_stay BEFORE UPDATE ON balance_transactions
    BEGIN SELECT RAISE(ABORT, 'a balance transaction stands for ever'); END;
CREATE TRIGGER IF NOT EXISTS transactions_stay_there BEFORE DELETE ON balance_transactions
    BEGIN SELECT RAISE(ABORT, 'a balance transaction stands for ever'); END;

CREATE TABLE IF NOT EXISTS settlements (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    reference TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    settled_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS balance_transfers (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    initiator_id TEXT NOT NULL,
    source_id TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    request TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL
);
"""
