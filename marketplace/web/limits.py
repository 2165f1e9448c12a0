"""How often one address may ask for what costs something (S18).

Counts live in the process: with several processes a limit is that many times larger, which still stops a flood.
"""

from __future__ import annotations

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from marketplace.settings import Settings

limiter = Limiter(
    key_func=get_remote_address, storage_uri="memory://", headers_enabled=True, retry_after="delta-seconds"
)


def init(app: Flask, settings: Settings) -> None:
    app.config["RATELIMIT_ENABLED"] = settings.rate_limits
    limiter.init_app(app)
