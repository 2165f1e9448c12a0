from __future__ import annotations

import pytest
from flask import Flask
from flask.typing import ResponseReturnValue

from marketplace.errors import GatewayError
from marketplace.web.access import everyone, open_to


def _crash(code: str, token: str) -> ResponseReturnValue:
    raise ZeroDivisionError


def _trouble(code: str, token: str) -> ResponseReturnValue:
    raise GatewayError("the provider is silent", permanent=False)


def test_the_log_says_which_page_failed_and_not_whose(own_app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    own_app.add_url_rule("/essai/<code>/<token>", "crash", open_to(everyone)(_crash))
    own_app.add_url_rule("/ailleurs/<code>/<token>", "trouble", open_to(everyone)(_trouble))
    client = own_app.test_client()
    assert client.get("/essai/12345678/s3cr3t").status_code == 500
    assert client.get("/ailleurs/12345678/s3cr3t").status_code == 503
    assert "on GET /essai/<code>/<token>" in caplog.text
    assert "on GET /ailleurs/<code>/<token>: the provider is silent" in caplog.text
    assert "12345678" not in caplog.text and "s3cr3t" not in caplog.text
