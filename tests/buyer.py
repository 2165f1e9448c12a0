"""A program that buys in the market through its JSON API."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

V1 = "/api/v1"
CONTACT = {"name": "Jeanne Martin", "email": "jeanne@example.org", "phone": "06 39 98 12 34"}
#: The home of tests.walk, pinned on the map.
HOME = {"street": "12 rue de Montmoreau", "postcode": "16000", "city": "Angoulême", "lat": 45.6412, "lon": 0.1612}


class Buyer:
    """Each act answers the JSON of an answer with the status that was expected; anything else is an error."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def call(self, method: str, address: str, sent: object = None, status: int = 200, **headers: str) -> Any:
        """`address` below /api/v1, or a whole one from an answer."""
        url = address if address.startswith("http") else f"{V1}/{address}"
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.open(url, method=method, json=sent, headers=names)
        assert answer.status_code == status, f"{method} {address}: {answer.status_code} {answer.text}"
        assert "Set-Cookie" not in answer.headers
        kind = "application/problem+json" if status >= 400 else "application/json"
        assert answer.mimetype == kind or status == 204
        return answer.json if status != 204 else None

    def get(self, address: str, status: int = 200, **headers: str) -> Any:
        return self.call("GET", address, status=status, **headers)

    def fill(self, *variant_ids: int) -> str:
        """A basket with one piece of each; its id."""
        basket_id: str = self.call("POST", "baskets", status=201)["id"]
        for variant_id in variant_ids:
            self.call("POST", f"baskets/{basket_id}/lines", {"variant_id": variant_id}, 201)
        return basket_id

    def order(self, sent: object, status: int = 201, **headers: str) -> Any:
        return self.call("POST", "orders", sent, status, **headers)


def order_of(basket_id: str, *, slot_id: int | None = None, **more: object) -> dict[str, Any]:
    """What Jeanne asks for: a delivery home when a slot is given, else a collection in the shops."""
    delivery: dict[str, object] = {"mode": "collection"}
    if slot_id is not None:
        delivery = {"mode": "delivery", "slot_id": slot_id, **HOME}
    return {"basket": basket_id, "contact": CONTACT, "delivery": delivery, **more}
