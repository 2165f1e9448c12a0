"""The sandbox as a server on this machine."""

from __future__ import annotations

from types import FrameType

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from marketplace.payments.sandbox.server_state import state_of

#: Play money must not be reachable from elsewhere.
HOST = "127.0.0.1"


class _Handler(WSGIRequestHandler):
    #: Head and body leave as two packets; with Nagle's algorithm the second waits 40 ms for the caller's receipt.
    disable_nagle_algorithm = True


class Server:
    """A threaded server of the sandbox on `port`, a free one for 0; `url` is its address.

    Werkzeug's own server is enough: one machine, a few people, no attacker but our tests.
    """

    def __init__(self, app: Flask, port: int) -> None:
        self._state = state_of(app)
        self._server = make_server(HOST, port, app, threaded=True, request_handler=_Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def serve(self) -> None:
        """Answer until `shutdown`; then the call-backs under way are finished."""
        self._state.deliverer.start()
        try:
            self._server.serve_forever(poll_interval=0.01)
        finally:
            self._server.server_close()
            self._state.deliverer.stop()
            self._state.book.close()

    def shutdown(self) -> None:
        """Make `serve` return; call it from another thread."""
        self._server.shutdown()


def raise_interrupt(signum: int, frame: FrameType | None) -> None:
    """A supervisor's SIGTERM ends the server as Ctrl-C does."""
    raise KeyboardInterrupt
