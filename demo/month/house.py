"""A whole house in one process: pages, worker, payment provider and mail, moved by one clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from demo.month.wire import Killed, Killer, Wire
from demo.month.worker import Worker
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.errors import GatewayError
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.mail import Letter, Mailer
from marketplace.payments.gateway import Gateway
from marketplace.payments.sandbox import Options, lifecycle, webhooks
from marketplace.payments.sandbox.app import create_sandbox
from marketplace.payments.sandbox.postings import Fee
from marketplace.payments.sandbox.server_state import ServerState, state_of
from marketplace.settings import Settings

#: The application over a hall; the roof gives it, as nobody below may import it.
Roof = Callable[[Hall], Flask]

#: Nobody listens at these addresses: what is called there is carried within the process.
PROVIDER_URL = "http://127.0.0.1:5051"
#: The association's own, for its balance.
ACCESS_TOKEN = "access_month"  # noqa: S105  # opens a sandbox that lives as long as this process
#: 1.80 % and 0.25 EUR, as a European card costs (mollie.md 2.6).
CARD_FEE = Fee(180, 25)
#: Whoever is killed more often in one act does not get on at all.
LIVES_QTY = 100


class Letterbox(Mailer):
    """Takes every letter, unless it is `away`; calls killed as the provider's are."""

    def __init__(self, sender: str) -> None:
        super().__init__(host="127.0.0.1", port=9, sender=sender)
        self.is_away = False
        self.killer: Killer | None = None
        self.letters_qty = 0

    def send(self, letter: Letter) -> None:
        if self.is_away:
            raise GatewayError("the mail server is away", permanent=False)
        if self.killer is None:
            self._take()
        else:
            self.killer.around("letter", letter.key, self._take)

    def _take(self) -> None:
        self.letters_qty += 1


class House:
    """`move_to` lets time pass, `pass_on` lets everybody hear of what happened."""

    def __init__(
        self, roof: Roof, database: Database, folder: Path, begins_at: datetime, *, routing: str = "delayed"
    ) -> None:
        self.settings = Settings.from_env(
            {
                "INSTANCE_DIR": str(folder),
                "RATE_LIMITS": "off",
                "MARKET_ENV": "demo",
                "MOLLIE_ACCESS_TOKEN": ACCESS_TOKEN,
                "MOLLIE_ROUTING": routing,
            }
        )
        self.clock = FixedClock(begins_at)
        self.sandbox = create_sandbox(
            Options(folder / "sandbox.sqlite", access_tokens=(ACCESS_TOKEN,), fee=CARD_FEE, clock=self.clock)
        )
        self.wire = Wire(self.sandbox, self.clock)
        self.letterbox = Letterbox(self.settings.mail_from)
        self.hall = Hall(
            settings=self.settings,
            database=database,
            clock=self.clock,
            gateway=Gateway(
                endpoint=PROVIDER_URL,
                api_key=self.settings.mollie_api_key,
                access_token=self.settings.mollie_access_token,
                transport=self.wire,
            ),
            geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
            mailer=self.letterbox,
        )
        self.app = roof(self.hall)
        self.worker = Worker(self.app, self.hall)
        self.notices = Notices(self)
        self.deaths_qty = 0

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def provider(self) -> ServerState:
        return state_of(self.sandbox)

    def move_to(self, at: datetime) -> None:
        """It is `at` for everybody; never earlier than it was."""
        self.clock.at = max(self.clock.at, at)

    def pass_on(self) -> None:
        """The provider's notices are in the house, and the worker has done all that is due."""
        self.notices.deliver()
        self.worker.work(self.survive)

    def strike(self) -> None:
        """What is due by the clock is done, and what follows from it."""
        self.worker.strike(self.survive)
        self.pass_on()

    def survive(self, act: Callable[[], Any]) -> Any:
        """Do it again as often as the process is killed in it, as a person or the worker does; what it answers."""
        for _ in range(LIVES_QTY):
            try:
                return act()
            except Killed:
                self.deaths_qty += 1
        raise AssertionError("killed for ever")

    def kill_everywhere(self) -> Killer:
        """From now on each different outside call kills its caller, before it and then after it."""
        killer = Killer()
        self.wire.kill_callers(killer)
        self.letterbox.killer = killer
        return killer

    def close(self) -> None:
        self.provider.book.close()


class Notices:
    """The provider's calls to the house, and what becomes of them on the way.

    `lost`, never comes; `twice`, comes three times over; `held`, comes later with others, the last one first; `late`,
    the house answers that it cannot, until the provider's tenth try 26 hours later.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._client = house.app.test_client(use_cookies=False)
        self._fates: dict[str, str] = {}
        self._held: list[webhooks.Webhook] = []
        self.met: Counter[str] = Counter()

    def befall(self, provider_id: str, fate: str) -> None:
        """What happens to every notice of this payment from now on."""
        self._fates[provider_id] = fate

    def deliver(self) -> None:
        """Every notice that is due has met its fate."""
        state = self._house.provider
        with state.book.transaction() as db:
            lifecycle.catch_up(db, state.time_factor)
            due = webhooks.due(db, self._house.now)
        for webhook in due:
            answer = self._meet(webhook)
            with state.book.transaction() as db:
                webhooks.record(db, webhook, answer, state.time_factor)

    def let_go(self) -> None:
        """Those that were held come now, the last one first."""
        while self._held:
            self._call(self._held.pop())

    def _meet(self, webhook: webhooks.Webhook) -> str:
        fate = self._fates.get(webhook.payment_id, "")
        self.met[fate] += 1
        if fate == "lost":
            return "200"  # somebody on the way has taken it
        if fate == "held":
            self._held.append(webhook)
            return "200"
        if fate == "late":
            with self._house.provider.book.transaction() as db:
                (tries_qty,) = db.execute(
                    "SELECT tries_qty FROM webhooks WHERE position = ?", (webhook.position,)
                ).fetchone()
            if tries_qty < len(webhooks.SCHEDULE) - 1:
                return "503"
        for _ in range(2 if fate == "twice" else 0):
            self._call(webhook)
        return self._call(webhook)

    def _call(self, webhook: webhooks.Webhook) -> str:
        answer = self._client.post(
            urlsplit(webhook.url).path, base_url=self._house.settings.site_url, data={"id": webhook.payment_id}
        )
        return str(answer.status_code)
