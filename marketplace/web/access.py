"""Who may come in. A view that does not say so stops the application at its start (M20)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flask import Flask, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.web import csrf
from marketplace.web.limits import limiter

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])
Check = Callable[[], bool]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Access:
    """`check` says whether the current visitor may come in; `csrf` whether unsafe requests need our token."""

    check: Check
    csrf: bool


def everyone() -> bool:
    return True


def signed_in() -> bool:
    return bool(current_user.is_authenticated)


def role(name: str) -> Check:
    """People who play that part for the association."""

    def check() -> bool:
        return signed_in() and name in current_user.roles

    check.__name__ = f"role_{name}"
    return check


def open_to(check: Check, *, csrf: bool = True, rate: str | None = None) -> Callable[[View], View]:
    """Declare who may use a view. `rate` limits unsafe requests per address ("10 per minute").

    `csrf=False` is for callers that carry no cookie of ours: the payment provider and the JSON API.
    """

    def declare(view: View) -> View:
        if rate is not None:
            view = limiter.limit(rate, methods=["POST", "PUT", "PATCH", "DELETE"])(view)  # type: ignore[assignment]  # the decorator keeps the signature, its stub forgets it
        view.access = Access(check, csrf)  # type: ignore[attr-defined]  # a function's own attribute, read below
        return view

    return declare


def access_of(endpoint: str) -> Access | None:
    view = current_app.view_functions.get(endpoint)
    declared = getattr(view, "access", None) or getattr(getattr(view, "view_class", None), "access", None)
    return declared if isinstance(declared, Access) else None


def _guard() -> ResponseReturnValue | None:
    if request.endpoint is None:
        return None
    if any(isinstance(value, str) and "\0" in value for value in (request.view_args or {}).values()):
        abort(404)  # it names nothing of ours, and PostgreSQL would refuse even to compare it
    declared = access_of(request.endpoint)
    if declared is None:
        abort(403)
    if not declared.check():
        if not signed_in() and request.method in SAFE_METHODS:
            return redirect(url_for("accounts.sign_in", next=request.full_path.rstrip("?")), 303)
        abort(403)
    if declared.csrf and request.method not in SAFE_METHODS:
        csrf.protect()
    return None


def check_all_declared(app: Flask) -> None:
    """Raise RuntimeError that names every view without a declaration."""
    with app.app_context():
        silent = sorted(rule.endpoint for rule in app.url_map.iter_rules() if access_of(rule.endpoint) is None)
    if silent:
        raise RuntimeError(f"views that do not say who may come in: {', '.join(silent)}")


def init(app: Flask) -> None:
    static = app.view_functions.get("static")
    if static is not None:
        app.view_functions["static"] = open_to(everyone)(lambda filename: app.send_static_file(filename))
    app.before_request(_guard)
