from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from marketplace.errors import GatewayError
from marketplace.geo import Geocoder

HOUSE = {
    "geometry": {"coordinates": [0.158446, 45.648858]},
    "properties": {
        "label": "14 Rue Hergé 16000 Angoulême",
        "name": "14 Rue Hergé",
        "postcode": "16000",
        "city": "Angoulême",
        "type": "housenumber",
        "score": 0.97,
    },
}


class Service(ThreadingHTTPServer):
    """A national geocoder that knows one house, and counts who asks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[str] = []
        self.is_down = False


class _Answer(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.server.asked.append(self.path.partition("?")[0])
        self.send_response(503 if self.server.is_down else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"type": "FeatureCollection", "features": [HOUSE]}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        Thread(target=service.serve_forever, daemon=True).start()
        yield service
        service.shutdown()


def test_the_same_question_is_asked_once(service: Service) -> None:
    geocoder = Geocoder(scheme="http", domain=f"127.0.0.1:{service.server_port}")
    for _ in range(3):
        assert geocoder.find("14 rue Hergé", "16000", "Angoulême")[0].is_sure
        assert geocoder.near(45.64886, 0.15844) is not None
    assert len(service.asked) == 2
    geocoder.find("15 rue Hergé", "16000", "Angoulême")
    assert len(service.asked) == 3


def test_a_service_that_was_down_is_asked_again(service: Service) -> None:
    geocoder = Geocoder(scheme="http", domain=f"127.0.0.1:{service.server_port}")
    service.is_down = True
    with pytest.raises(GatewayError):
        geocoder.find("14 rue Hergé", "16000", "Angoulême")
    service.is_down = False
    assert geocoder.find("14 rue Hergé", "16000", "Angoulême")[0].city == "Angoulême"
