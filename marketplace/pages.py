"""Pages of plain text: help, ranking, terms, privacy, accessibility; and the choice of language."""

from __future__ import annotations

from flask import Flask


def init(app: Flask) -> None:
    """The house's own pages."""
