"""A real mail server on a port of this machine: it keeps what it takes, and refuses what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session


class MailServer:
    """`letters` in the order of their arrival; `refusals` maps a recipient to the answer it gets instead of 250."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}
        #: How many letters are taken, and then the line breaks before our answer: the sender cannot know.
        self.lost_answers_qty = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._is_over = asyncio.Event()
        self.port: int = self._socket.getsockname()[1]

    async def handle_RCPT(  # noqa: N802  # aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # as above
        content = envelope.original_content or b""
        self.letters.append(message_from_bytes(content, policy=policy.default))  # type: ignore[arg-type]  # typeshed: policy.default makes EmailMessage
        if self.lost_answers_qty:
            self.lost_answers_qty -= 1
            server.transport.abort()
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [letter for letter in self.letters if letter["To"] == address]

    def serve(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    def shutdown(self) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._greet, sock=self._socket)
        await self._is_over.wait()
        server.close()

    def _greet(self) -> SMTP:
        # Without a name of its own aiosmtpd asks the resolver for one, which takes seconds on some machines.
        return SMTP(self, hostname="localhost", enable_SMTPUTF8=True, loop=self._loop)


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    server = MailServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()


def text_of(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(letter: EmailMessage) -> str:
    part = letter.get_body(("html",))
    assert part is not None
    return str(part.get_content())
