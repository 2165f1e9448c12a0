"""The payment sandbox without its server: the same application and the same gateway, and no socket between them.

For tests that ask it ten thousand times. Its book lives in memory and goes back to where it was in a millisecond;
nobody calls the shop back: what the sandbox would have told is in its book, for the test to tell.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError
from werkzeug.test import Client as WsgiClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from marketplace.clock import FixedClock
from marketplace.payments.gateway import Gateway
from marketplace.payments.sandbox.app import Options, create_sandbox
from marketplace.payments.sandbox.postings import NO_FEE, Fee
from marketplace.payments.sandbox.server_state import state_of
from tests.sandbox_server import APPLICATION, KEY, STRANGERS_KEY, TOKEN, Sandbox

#: Nobody listens there: a call that goes past the adapter is refused.
ADDRESS = "http://127.0.0.1:9"


class _Line:
    """Stands where the server has its socket: a fault may cut it."""

    def __init__(self) -> None:
        self.is_cut = False

    def shutdown(self, how: int) -> None:
        self.is_cut = True


class WithinAdapter(BaseAdapter):
    """Hands what `requests` would send to an application, and gives its answer back as if it had travelled."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self._app = app

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        body = request.body or b""
        line = _Line()
        environ = EnvironBuilder(
            path=request.path_url,
            base_url=ADDRESS,
            method=request.method or "GET",
            headers=list(request.headers.items()),
            data=body.encode() if isinstance(body, str) else body,
            environ_base={"werkzeug.socket": line},
        ).get_environ()
        parts, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        if line.is_cut:
            raise requests.ConnectionError(ProtocolError("Connection aborted."), request=request)
        response = requests.Response()
        response.status_code = int(status.split()[0])
        response.headers.update(headers)
        response.raw = HTTPResponse(BytesIO(b"".join(parts)), preload_content=False, status=response.status_code)
        response.url, response.request, response.encoding = request.url or "", request, "utf-8"
        return response

    def close(self) -> None:
        """There is nothing to close."""


class SandboxWithin(Sandbox):
    """A sandbox in this process, and what tests do to it. One that charges for payments shows its book too."""

    def __init__(self, clock: FixedClock, fee: Fee = NO_FEE) -> None:
        super().__init__(ADDRESS)
        #: The provider's time; it passes only when somebody lets it.
        self.clock = clock
        self._token = TOKEN if fee != NO_FEE else ""
        self.app = create_sandbox(
            Options(
                Path(":memory:"),
                keys=(KEY, STRANGERS_KEY),
                application=APPLICATION,
                access_tokens=(TOKEN,),
                fee=fee,
                clock=clock,
            )
        )
        self.http.mount("http://", WithinAdapter(self.app))
        self._client = WsgiClient(self.app)
        self._state = state_of(self.app)
        #: The organisation whose payments these are.
        self.platform_id = self._state.profiles[KEY].organization_id
        self._kept: dict[str, sqlite3.Connection] = {}

    def gateway(self, **_: Any) -> Gateway:
        return Gateway(endpoint=ADDRESS, api_key=KEY, access_token=self._token, transport=WithinAdapter(self.app))

    def control(self, method: str, path: str, json: object = None) -> Any:
        answer = self._client.open(f"/_sandbox/{path}", base_url=ADDRESS, method=method, json=json)
        assert answer.status_code < 400, answer.text
        return answer.json

    def keep(self, name: str) -> None:
        """Remember the book as it is now."""
        self._kept[name] = sqlite3.connect(":memory:", check_same_thread=False)
        self._state.book._db.backup(self._kept[name])

    def restore(self, name: str) -> None:
        """The book as it was kept; no trouble is planned."""
        self._kept[name].backup(self._state.book._db)
        self._state.faults.clear()

    @property
    def changes_qty(self) -> int:
        """Rows of the book that were ever written."""
        return self._state.book._db.total_changes

    def read(self, query: str, values: Mapping[str, object] | tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Look into the book itself."""
        with self._state.book.transaction() as db:
            return db.execute(query, values).fetchall()
