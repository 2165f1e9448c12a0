from __future__ import annotations

from flask import Flask

from demo.seed import seed_command


def init(app: Flask) -> None:
    """The demo town's command; in production it is absent."""
    app.cli.add_command(seed_command)
