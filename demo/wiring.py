from __future__ import annotations

from flask import Flask

from demo.month.command import ROOF, simulate_month
from demo.month.house import Roof
from demo.seed import seed_command


def init(app: Flask, roof: Roof) -> None:
    """The demo town's commands; in production they are absent.

    `roof` makes the application over a hall: a simulated month has a house of its own, and may not import the roof.
    """
    app.extensions[ROOF] = roof
    app.cli.add_command(seed_command)
    app.cli.add_command(simulate_month)
