"""The ways in which the API says no, in Mollie's shape."""

from __future__ import annotations

from werkzeug.http import HTTP_STATUS_CODES

DOCUMENTATION = "https://docs.mollie.com/reference/overview"


class ApiRefusal(Exception):
    """An answer other than 2xx; nothing was done."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field

    def as_json(self) -> dict[str, object]:
        body: dict[str, object] = {
            "status": self.status,
            "title": HTTP_STATUS_CODES.get(self.status, "Error"),
            "detail": self.detail,
        }
        if self.field is not None:
            body["field"] = self.field
        body["_links"] = {"documentation": {"href": DOCUMENTATION, "type": "text/html"}}
        return body


def unprocessable(field: str, detail: str) -> ApiRefusal:
    """422: the request is understood and refused because of `field`."""
    return ApiRefusal(422, detail, field)


def no_such(kind: str, its_id: str) -> ApiRefusal:
    """404: absent, or another profile's; the caller learns no difference."""
    return ApiRefusal(404, f"There is no {kind} {its_id!r} for this key.")
