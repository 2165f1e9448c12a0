"""The mail server of the demo: takes every letter and puts it into the letter box."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.townsfolk.letterbox import Letterbox


class _Hands:
    def __init__(self, letterbox: Letterbox) -> None:
        self._letterbox = letterbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd calls it so
        content = envelope.original_content or b""
        # "250" is a promise: the letter is on the disk before it is given.
        await asyncio.to_thread(
            self._letterbox.keep,
            content,
            sender=envelope.mail_from or "",
            recipients=list(envelope.rcpt_tos),
            arrived_at=datetime.now(UTC),
        )
        return "250 Message accepted"


class Postman:
    """An SMTP server on a port of this machine, a free one for 0; OSError when it is taken."""

    def __init__(self, letterbox: Letterbox, port: int) -> None:
        self._hands = _Hands(letterbox)
        self._socket = socket.create_server(("127.0.0.1", port))
        self._loop = asyncio.new_event_loop()
        self._is_over = asyncio.Event()
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Take letters until `shutdown`; the letter in hand is still put into the box."""
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())

    def shutdown(self) -> None:
        """Make `serve` return; call it from another thread."""
        self._loop.call_soon_threadsafe(self._is_over.set)

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._greet, sock=self._socket)
        await self._is_over.wait()
        server.close()

    def _greet(self) -> SMTP:
        # Without a name of its own aiosmtpd asks the resolver for one, which takes seconds on some machines.
        return SMTP(self._hands, hostname="localhost", enable_SMTPUTF8=True, loop=self._loop)
