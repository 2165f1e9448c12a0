"""The thread that calls the shop back."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from marketplace.payments.sandbox import lifecycle, webhooks
from marketplace.payments.sandbox.bodies import is_loopback, split_url
from marketplace.payments.sandbox.book import Book, now_in

#: Mollie waits no longer for an answer.
ANSWER_TIMEOUT_S = 15
#: How long a due call can wait for its turn when nothing wakes the thread.
PAUSE_S = 0.25
#: Calls under way at once: one shop that hangs does not keep the others waiting.
CALLS_AT_ONCE_QTY = 8
REDIRECTS_MAXIMUM_QTY = 5

log = logging.getLogger(__name__)


class Deliverer:
    """Makes the calls that the book says are due, on Mollie's schedule, until one is answered 200.

    What is under way is known to this process only: after a crash it is simply due again.
    """

    def __init__(self, book: Book, time_factor: float) -> None:
        self._book = book
        self._time_factor = time_factor
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._under_way: set[int] = set()
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(CALLS_AT_ONCE_QTY, thread_name_prefix="webhook")
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No further call begins; those under way are waited for."""
        self._stopping.set()
        self._woken.set()
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)

    def wake(self) -> None:
        """Something may have become due."""
        self._woken.set()

    def flush(self, timeout_s: float = 2 * ANSWER_TIMEOUT_S) -> bool:
        """Make every due call; whether all were made in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            due_qty = self._deliver_due()
            with self._changed:
                idle = self._changed.wait_for(lambda: not self._under_way, deadline - time.monotonic())
            if idle and due_qty == 0:
                return True
        return False

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._deliver_due()
            except sqlite3.Error:
                log.exception("the book could not be read; trying again")
            self._woken.wait(PAUSE_S)
            self._woken.clear()

    def _deliver_due(self) -> int:
        with self._book.transaction() as db:
            lifecycle.catch_up(db, self._time_factor)
            due = webhooks.due(db, now_in(db))
            # Marked while the book is ours: a call recorded meanwhile cannot be taken for due again.
            with self._changed:
                ready = [webhook for webhook in due if webhook.position not in self._under_way]
                self._under_way.update(webhook.position for webhook in ready)
        for webhook in ready:
            self._pool.submit(self._deliver, webhook)
        return len(ready)

    def _deliver(self, webhook: webhooks.Webhook) -> None:
        try:
            answer = call_back(webhook)
            with self._book.transaction() as db:
                webhooks.record(db, webhook, answer, self._time_factor)
            log.info("webhook %s -> %s: %s", webhook.payment_id, webhook.url, answer)
        finally:
            with self._changed:
                self._under_way.discard(webhook.position)
                self._changed.notify_all()


def call_back(webhook: webhooks.Webhook) -> str:
    """Post the payment's id; the status that came back, or why none did.

    Redirects are followed as browsers do: 301 and 302 turn the call into a GET without the id.
    """
    with requests.Session() as session:
        session.trust_env = False  # a proxy has no way to this machine
        request = session.prepare_request(
            requests.Request(
                "POST",
                webhook.url,
                data={"id": webhook.payment_id},
                headers={"User-Agent": "Mollie HTTP client/1.0 (sandbox)"},
            )
        )
        try:
            for _ in range(REDIRECTS_MAXIMUM_QTY + 1):
                response = session.send(request, timeout=ANSWER_TIMEOUT_S, allow_redirects=False)
                if response.next is None:
                    return str(response.status_code)
                parts = split_url(response.next.url)
                if parts is None or not is_loopback(parts[1]):
                    return "redirected away from this machine"
                request = response.next
        except requests.RequestException as error:
            return type(error).__name__
    return "redirected too often"
