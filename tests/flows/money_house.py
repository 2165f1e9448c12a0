"""A house for thousands of short lives: one town, one application, one sandbox, put back in milliseconds.

The use cases, the jobs, the gateway and the sandbox are the real ones; between gateway and sandbox there is no socket,
and the worker is a loop that runs the jobs which it finds. Whoever builds a house gives it a database for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg._preparing import PrepareManager
from sqlalchemy import event

import basket.checks
import marketplace.payments.checks
import merchants.checks
from marketplace.app import create_app
from marketplace.clock import FixedClock
from marketplace.db import Base, Database
from marketplace.errors import GatewayError
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.jobs import subscribers
from marketplace.ledger.proof import WAITING
from marketplace.mail import Mailer
from marketplace.payments.queries import SHARES_BY_PARTY
from marketplace.payments.sandbox.postings import NO_FEE, Fee
from marketplace.settings import Settings
from merchants.models import Variant
from tests.sandbox_within import SandboxWithin
from tests.walk import NOW, arrange_town, register_merchants

QUEUE = ("procrastinate_events", "procrastinate_jobs")
#: What the town has from the start and an order changes.
CHANGING = ("variant", "stock_move", "merchant_account", "slot", "round")

#: What is sold by its weight, and how much of it is promised.
WEIGHED, WEIGHED_GRAMS = "F1", 400

#: The others are letters, and what is searched.
MONEY_JOBS = ("basket.handlers.take_payment", "marketplace.payments.")


class _Plans(PrepareManager):
    """Statements prepared once for all lives: no transaction changes a table, so none makes us forget them."""

    def clear(self) -> bool:
        return False


class MoneyHouse:
    """The house around an empty database, which it fills with a town; `reset` puts everything back."""

    def __init__(self, database: Database, folder: Path, fee: Fee = NO_FEE) -> None:
        database = Database(database.url, pool_size=4)
        event.listen(database.engine, "connect", _plan_once)
        self.clock = FixedClock(NOW)
        self.sandbox = SandboxWithin(FixedClock(NOW), fee)
        settings = Settings.from_env(
            {
                "SECRET_KEY": "t" * 40,
                "INSTANCE_DIR": str(folder),
                "MOLLIE_WEBHOOK_BASE": "http://127.0.0.1:5000",
                "RATE_LIMITS": "off",
            }
        )
        self.hall = Hall(
            settings=settings,
            database=database,
            clock=self.clock,
            gateway=self.sandbox.gateway(),
            geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
            mailer=Mailer(host="127.0.0.1", port=9, sender=settings.mail_from),
        )
        self.client = create_app(self.hall).test_client()
        self._handlers = subscribers()
        register_merchants(self.sandbox)
        with database.transaction() as session:
            self.town = arrange_town(session)
            weighed = session.get_one(Variant, self.town.variant(WEIGHED))
            weighed.net_amount, weighed.net_unit = WEIGHED_GRAMS, "g"
        # Prepared once and kept: planning forty statements costs more than running them.
        self._line = psycopg.connect(database.conninfo(), autocommit=True, prepare_threshold=0)
        self._rules = " UNION ALL ".join(
            f"(SELECT {_quoted(name)} AS rule, v::text AS found FROM ({query}) v LIMIT 3)"
            for name, query in (
                *basket.checks.RULES,
                *merchants.checks.RULES,
                *marketplace.payments.checks.RULES,
                *WAITING,
            )
        )
        tables = [table.name for table in Base.metadata.sorted_tables]
        is_used = {name for name in tables if self._line.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()}
        #: What lives change; the rest is the town, which stays.
        self._moving = [name for name in tables if name not in is_used or name in CHANGING] + list(QUEUE)
        self._resets: dict[str, tuple[str, datetime]] = {}
        self.keep("the first morning")

    def keep(self, name: str) -> None:
        """Remember everything as it is now, to come back to."""
        self.sandbox.keep(name)
        steps = ["BEGIN", "SET LOCAL session_replication_role = replica"]
        steps += [f"DELETE FROM {table}" for table in self._moving]
        for table in self._moving:
            if not self._line.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
                continue
            kept = f"kept_{len(self._resets)}_{table}"
            self._line.execute(f"CREATE TEMPORARY TABLE {kept} AS TABLE {table}")
            written = [column.name for column in Base.metadata.tables[table].columns if not column.computed]
            columns = ", ".join(written)
            steps.append(f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {kept}")
        self._resets[name] = ("; ".join([*steps, "COMMIT"]), self.clock.at)

    def reset(self, name: str = "the first morning") -> None:
        """Everything as it was kept."""
        steps, now = self._resets[name]
        self._line.execute(steps, prepare=False)
        self.clock.at, self.sandbox.clock.at = now, now
        self.sandbox.restore(name)

    def close(self) -> None:
        """Leave the town as it was arranged."""
        self.reset()
        self._line.close()
        self.hall.database.close()

    def ask(self, query: str) -> list[Any]:
        """The rows of a statement without parameters, planned once."""
        return self._line.execute(query).fetchall()

    def mark(self) -> object:
        """Another one whenever anybody has written anything, here or into the sandbox's book."""
        return self.ask("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0][0], self.sandbox.changes_qty

    def broken_rules(self) -> list[str]:
        """What the self-check would say of stock, orders, payments and ledger, in one statement."""
        return [f"{rule}: {found}" for rule, found in self.ask(self._rules)]

    def unexplained_cents(self, accounts: Mapping[str, int]) -> int:
        """What no share explains of that which the ledger owes to merchants: by the treasurer's own query."""
        owed = {account: -cents for account, cents in accounts.items() if account.startswith("merchant:")}
        shares = {row[0]: int(sum(row[1:5]) - row[5] - row[6]) for row in self.ask(SHARES_BY_PARTY.text)}
        return sum(abs(owed.get(party, 0) - shares.get(party, 0)) for party in owed | shares)

    # --- Jobs ------------------------------------------------------------------------------------------------------

    def waiting_jobs(self) -> list[tuple[int, str, dict[str, Any]]]:
        """The jobs that move money, oldest first; the others are thrown away."""
        found = self.ask("SELECT id, task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
        money = [row for row in found if row[1].startswith(MONEY_JOBS)]
        if len(money) < len(found):
            others = [row[0] for row in found if row not in money]
            self._line.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", (others,))
        return money

    def run(self, job: tuple[int, str, dict[str, Any]], *, dies: bool = False) -> bool:
        """Do one job; whether it is done. One that met trouble outside, or whose worker `dies`, stays."""
        job_id, name, ids = job
        try:
            self._handlers[name](self.hall, **ids)
        except GatewayError:
            return False
        if not dies:
            self._line.execute("DELETE FROM procrastinate_jobs WHERE id = %s", (job_id,))
        return not dies

    def work(self) -> None:
        """Do jobs, oldest first, until none is left that has not been tried."""
        tried: set[int] = set()
        while waiting := [job for job in self.waiting_jobs() if job[0] not in tried]:
            for job in waiting:
                tried.add(job[0])
                self.run(job)


def _plan_once(connection: Any, _: object) -> None:
    connection.prepare_threshold, connection._prepared = 1, _Plans()
    connection.prepared_max = None


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
