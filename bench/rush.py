"""(c) Fifty buyers at a barrier for ten pieces: real server processes with threads, real HTTP, the payment sandbox."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import requests
from sqlalchemy import text

from bench.reporting import Report
from marketplace.db import Database

BUYERS, PIECES = 50, 10


def measure_rush(database: Database, folder: Path, report: Report) -> None:
    """Exactly ten orders are placed, forty are refused before any payment, and the sandbox's book agrees."""
    variant_id = _ten_pieces(database)
    web_port, payments_port = _free_port(), _free_port()
    environment = os.environ | {
        "DATABASE_URL": database.conninfo(),
        "INSTANCE_DIR": str(folder),
        "SITE_URL": f"http://127.0.0.1:{web_port}",
        "MOLLIE_API_ENDPOINT": f"http://127.0.0.1:{payments_port}",
        "RATE_LIMITS": "off",
    }
    web = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "8", "--bind", f"127.0.0.1:{web_port}"]
    payments = [sys.executable, "-m", "marketplace.payments.sandbox", "--port", str(payments_port)]
    processes = [
        subprocess.Popen(
            [*payments, "--book", str(folder / "book.sqlite")], env=environment, stdout=subprocess.DEVNULL
        ),
        subprocess.Popen([*web, "--log-level", "error", "marketplace.app:create_app()"], env=environment),
    ]
    try:
        base = f"http://127.0.0.1:{web_port}"
        _wait_for(f"{base}/api/v1/shops")
        answers = _rush(base, variant_id)
        book = requests.get(f"http://127.0.0.1:{payments_port}/_sandbox/book", timeout=10).json()
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=30)
    asked = sum(len(profile["payments"]) for profile in book["profiles"])
    report.say(f"(c) {BUYERS} buyers at a barrier, {PIECES} pieces, 2 processes with 8 threads: {dict(answers)}")
    report.exactly("orders placed", answers[201], PIECES)
    report.exactly("refused before payment", answers[409], BUYERS - PIECES)
    report.exactly("payments in the provider's own book", asked, PIECES)


def _ten_pieces(database: Database) -> int:
    with database.transaction() as session:
        variant_id = session.execute(text("SELECT max(id) FROM variant")).scalar_one()
        session.execute(
            text(
                "INSERT INTO stock_move (variant_id, qty, reason, at, actor)"
                " SELECT id, :n - on_hand_qty, 'counted', now(), 'bench' FROM variant WHERE id = :id"
            ),
            {"n": PIECES, "id": variant_id},
        )
        session.execute(text("UPDATE variant SET on_hand_qty = :n WHERE id = :id"), {"n": PIECES, "id": variant_id})
    return int(variant_id)


def _rush(base: str, variant_id: int) -> Counter[int]:
    barrier = threading.Barrier(BUYERS)
    answers: Counter[int] = Counter()
    lock = threading.Lock()

    def buy() -> None:
        http = requests.Session()
        http.trust_env = False
        basket = http.post(f"{base}/api/v1/baskets", json={}, timeout=60).json()["id"]
        http.post(f"{base}/api/v1/baskets/{basket}/lines", json={"variant_id": variant_id}, timeout=60)
        body = {
            "basket": basket,
            "contact": {"name": "Jeanne Martin", "email": "jeanne@example.org", "phone": "0639981234"},
            "delivery": {"mode": "collection"},
        }
        barrier.wait()
        answer = http.post(f"{base}/api/v1/orders", json=body, timeout=120)
        with lock:
            answers[answer.status_code] += 1

    buyers = [threading.Thread(target=buy) for _ in range(BUYERS)]
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    return answers


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _wait_for(url: str, patience_s: float = 60) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        if time.monotonic() > until:
            raise TimeoutError(f"{url} does not answer")
        time.sleep(0.2)
