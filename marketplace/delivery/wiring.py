from __future__ import annotations

from flask import Flask


def init_delivery(app: Flask) -> None:
    """The round's pages, jobs and commands."""
