"""Trouble on demand: tests plan how the next calls go wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from flask import Request, Response

from marketplace.payments.sandbox.bodies import Body
from marketplace.payments.sandbox.refusals import ApiRefusal, unprocessable

#: What each action does. The work of the call is done unless it says otherwise.
ACTIONS = {
    "delay": "wait `seconds`, then work and answer",
    "delay_after": "work, wait `seconds`, then answer",
    "status": "answer `status`; the work is done only with `done`",
    "html": "answer a proxy's 502 page; the work is done only with `done`",
    "drop_after": "work, then close the connection without an answer",
    "half_json": "work, then send half of the answer",
}
DELAY_MAXIMUM_S = 120


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned trouble for calls that look like `match`, "METHOD /path" with * for anything."""

    match: str
    action: str
    seconds: float
    status: int
    done: bool
    times: int


class Faults:
    """The planned troubles; forgotten when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Fault] = []

    def plan(self, body: Body) -> Fault:
        """Add the trouble that `body` describes; 422 for nonsense."""
        action, match = body.get("action"), body.get("match")
        if action not in ACTIONS:
            raise unprocessable("action", f"One of: {', '.join(ACTIONS)}.")
        if not isinstance(match, str) or " /" not in match:
            raise unprocessable("match", "As in 'POST /v2/payments'.")
        seconds, status, times = body.get("seconds", 0), body.get("status", 503), body.get("times", 1)
        if type(seconds) not in (int, float) or not 0 <= seconds <= DELAY_MAXIMUM_S:
            raise unprocessable("seconds", f"From 0 to {DELAY_MAXIMUM_S}.")
        if type(status) is not int or not 400 <= status <= 599:
            raise unprocessable("status", "From 400 to 599.")
        if type(times) is not int or times < 1:
            raise unprocessable("times", "From 1.")
        fault = Fault(match, action, float(seconds), status, body.get("done") is True, times)
        with self._lock:
            self._planned.append(fault)
        return fault

    def planned(self) -> list[Fault]:
        with self._lock:
            return list(self._planned)

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first trouble planned for this call, used up once."""
        call = f"{method} {path}"
        with self._lock:
            for i, fault in enumerate(self._planned):
                if fnmatchcase(call, fault.match):
                    rest = replace(fault, times=fault.times - 1)
                    self._planned[i : i + 1] = [rest] if rest.times else []
                    return fault
        return None


def spoils_before(fault: Fault) -> Response | None:
    """What comes before the work: a wait, or the answer instead of it."""
    if fault.action == "delay":
        time.sleep(fault.seconds)
    elif fault.action in ("status", "html") and not fault.done:
        return _spoiled_answer(fault)
    return None


def spoils_after(fault: Fault, request: Request, response: Response) -> Response:
    """What becomes of the answer once the work is done."""
    response = spoils_answer(fault, response)
    cuts_line(fault, request)
    return response


def spoils_answer(fault: Fault, response: Response) -> Response:
    """The same of the answer alone."""
    if fault.action == "delay_after":
        time.sleep(fault.seconds)
    elif fault.action in ("status", "html") and fault.done:
        return _spoiled_answer(fault)
    elif fault.action == "half_json":
        whole = response.get_data()
        return Response(whole[: len(whole) // 2], status=response.status_code, content_type=response.content_type)
    return response


def cuts_line(fault: Fault, request: Request) -> None:
    """Nobody hears the answer. Once the work is over: a caller who asks again at once finds it done."""
    if fault.action == "drop_after":
        connection: socket.socket = request.environ["werkzeug.socket"]
        connection.shutdown(socket.SHUT_RDWR)


def _spoiled_answer(fault: Fault) -> Response:
    if fault.action == "html":
        return Response("<html><body><h1>502 Bad Gateway</h1></body></html>", status=502, mimetype="text/html")
    body = ApiRefusal(fault.status, "This trouble was planned.").as_json()
    return Response(json.dumps(body), status=fault.status, content_type="application/hal+json")
