"""The line between the house and the payment provider, carried within one process, and what can go wrong on it."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from marketplace.clock import Clock

#: As the provider makes them: tr_7UhSN1zuXS.
_ID = re.compile(r"(?<=/)[a-z]+_\w+")


class Killed(BaseException):
    """The process that made the call is gone, with all that it had in memory; what it had committed stands."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """What befalls the next call like `match`, "METHOD /path" with * for anything.

    `kind`: unheard, the call never leaves; silent, it is worked on and the answer is lost; asks_less, what it asks
    for is a cent less when it arrives; says_expired, the answer shows an open payment as one that has run out.
    Until `until_at`, if that is given, it befalls every such call.
    """

    match: str
    kind: str
    until_at: datetime | None = None


class Wire(HTTPAdapter):
    """Carries the gateway's calls to the sandbox's application; `calls` counts them by their kind."""

    def __init__(self, sandbox: Flask, clock: Clock) -> None:
        super().__init__(max_retries=0)
        self._clock = clock
        self._client = sandbox.test_client(use_cookies=False)
        self._mishaps: list[Mishap] = []
        self._killer: Killer | None = None
        self._shown: Mishap | None = None
        self.calls: Counter[str] = Counter()
        self.befallen: Counter[str] = Counter()

    def expect(self, match: str, kind: str, until_at: datetime | None = None) -> None:
        self._mishaps.append(Mishap(match, kind, until_at))

    @property
    def expected(self) -> list[Mishap]:
        """What has not befallen any call yet."""
        return [mishap for mishap in self._mishaps if mishap.until_at is None]

    def kill_callers(self, killer: Killer) -> None:
        self._killer = killer

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """What the sandbox answers; requests' own exceptions where the line fails, Killed where the caller dies."""
        assert request.method is not None and request.url is not None
        kind = _kind_of(request)
        self.calls[kind] += 1
        if self._killer is None:
            return self._meet(request)
        self._shown = None
        try:
            return self._killer.around(kind, _name_of(request), lambda: self._meet(request))
        except Killed:
            if self._shown is not None:  # it befalls whoever makes the same call again, too
                self._mishaps.append(self._shown)
            raise

    def _meet(self, request: requests.PreparedRequest) -> requests.Response:
        kind = self._take(f"{request.method} {urlsplit(str(request.url)).path}")
        if kind:
            self.befallen[kind] += 1
        if kind == "unheard":
            raise requests.ConnectTimeout("the line is down", request=request)
        answer = self._carry(request, kind)
        if kind == "silent":
            raise requests.ReadTimeout("no answer came", request=request)
        return answer

    def _take(self, call: str) -> str:
        now = self._clock.now()
        self._mishaps = [m for m in self._mishaps if m.until_at is None or m.until_at > now]
        for mishap in self._mishaps:
            if fnmatchcase(call, mishap.match):
                if mishap.until_at is None:
                    self._mishaps.remove(mishap)
                if mishap.kind in ("says_expired", "asks_less"):
                    self._shown = mishap
                return mishap.kind
        return ""

    def _carry(self, request: requests.PreparedRequest, kind: str) -> requests.Response:
        body = request.body or b""
        answer = self._client.open(
            request.url,
            method=request.method,
            data=_a_cent_less(body) if kind == "asks_less" else body,
            headers={name: value for name, value in request.headers.items() if name.lower() != "content-length"},
        )
        content = answer.get_data()
        raw = HTTPResponse(
            body=io.BytesIO(_as_expired(content) if kind == "says_expired" else content),
            headers={name: value for name, value in answer.headers.items() if name.lower() != "content-length"},
            status=answer.status_code,
            preload_content=False,
        )
        return self.build_response(request, raw)


class Killer:
    """Kills whoever makes an outside call: before it, then right after it with the answer unread; then lets it live."""

    def __init__(self) -> None:
        self._before: set[str] = set()
        self._after: set[str] = set()
        #: How often, by the side of the call and its kind: ("after", "POST /v2/payments").
        self.kills: Counter[tuple[str, str]] = Counter()

    def around(self, kind: str, name: str, act: Callable[[], Any]) -> Any:
        """What `act` answers. `name` is the same for a call that is made again."""
        if name not in self._before:
            self._kill("before", self._before, kind, name)
        answer = act()
        if name not in self._after:
            self._kill("after", self._after, kind, name)
        return answer

    def _kill(self, side: str, killed: set[str], kind: str, name: str) -> None:
        killed.add(name)
        self.kills[side, kind] += 1
        raise Killed(f"{side} {name}")

    @property
    def calls_qty(self) -> int:
        """How many different calls were met."""
        return len(self._before)


def _kind_of(request: requests.PreparedRequest) -> str:
    """Method and path, with {} for the ids in it: what can be asked of the provider at all."""
    return f"{request.method} {_ID.sub('{}', urlsplit(str(request.url)).path)}"


def _name_of(request: requests.PreparedRequest) -> str:
    """The same for a call that is made again."""
    key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""  # elsewhere drawn anew
    return f"{request.method} {request.url} {key}"


def _a_cent_less(body: bytes | str) -> bytes:
    asked = json.loads(body)
    euros, _, cents = asked["amount"]["value"].partition(".")
    less = int(euros) * 100 + int(cents) - 1
    asked["amount"]["value"] = f"{less // 100}.{less % 100:02d}"
    return json.dumps(asked).encode()


def _as_expired(content: bytes) -> bytes:
    answer = json.loads(content)
    if answer.get("status") == "open":
        answer["status"] = "expired"
    return json.dumps(answer).encode()
