"""The sandbox as a server on this machine."""

from __future__ import annotations

from types import FrameType

from werkzeug.serving import make_server

from marketplace.payments.sandbox.app import Options, create_sandbox
from marketplace.payments.sandbox.server_state import state_of

#: Play money must not be reachable from elsewhere.
HOST = "127.0.0.1"


class Server:
    """A threaded server on `port`, a free one for 0; `url` is its address.

    Werkzeug's own server is enough: one machine, a few people, no attacker but our tests.
    """

    def __init__(self, options: Options, port: int) -> None:
        app = create_sandbox(options)
        self._deliverer = state_of(app).deliverer
        self._server = make_server(HOST, port, app, threaded=True)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def serve(self) -> None:
        """Answer until `shutdown`; then the call-backs under way are finished."""
        self._deliverer.start()
        try:
            self._server.serve_forever(poll_interval=0.05)
        finally:
            self._server.server_close()
            self._deliverer.stop()

    def shutdown(self) -> None:
        """Make `serve` return; call it from another thread."""
        self._server.shutdown()


def raise_interrupt(signum: int, frame: FrameType | None) -> None:
    """A supervisor's SIGTERM ends the server as Ctrl-C does."""
    raise KeyboardInterrupt
