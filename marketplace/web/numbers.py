"""Numbers in addresses: none is longer than an id of the database can be."""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter


class IdConverter(IntegerConverter):
    """`<int:...>` up to eighteen digits. A longer one fits no rule and is a plain 404; the database would refuse to
    look for it, which would be a crash of ours (I20)."""

    regex = r"\d{1,18}"


def init(app: Flask) -> None:
    app.url_map.converters["int"] = IdConverter
