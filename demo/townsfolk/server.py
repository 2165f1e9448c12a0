"""Geocoder, letter box and mail server in one process, on this machine only."""

from __future__ import annotations

import threading
from pathlib import Path

from werkzeug.serving import make_server

from demo.townsfolk.app import create_world
from demo.townsfolk.gazetteer import read_gazetteer
from demo.townsfolk.letterbox import Letterbox
from demo.townsfolk.postman import Postman

#: An invented town's post is nobody's business on other machines.
HOST = "127.0.0.1"
GAZETTEER = Path(__file__).resolve().parent.parent / "town" / "gazetteer.csv"


class Townsfolk:
    """Both servers, on free ports for 0; OSError when a port is taken."""

    def __init__(self, *, letters: Path, http_port: int, smtp_port: int, gazetteer: Path = GAZETTEER) -> None:
        letterbox = Letterbox(letters)
        self._postman = Postman(letterbox, smtp_port)
        self._http = make_server(HOST, http_port, create_world(read_gazetteer(gazetteer), letterbox), threaded=True)
        self.url = f"http://{HOST}:{self._http.server_port}"
        self.smtp_port = self._postman.port

    def serve(self) -> None:
        """Answer until `shutdown`."""
        post = threading.Thread(target=self._postman.serve, name="postman")
        post.start()
        try:
            self._http.serve_forever(poll_interval=0.05)
        finally:
            self._http.server_close()
            self._postman.shutdown()
            post.join()

    def shutdown(self) -> None:
        """Make `serve` return; call it from another thread."""
        self._http.shutdown()
