"""Letters by mail: composed from three templates, sent over SMTP by a job."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate

from flask import current_app, render_template

from marketplace.errors import GatewayError
from marketplace.language import speaking


@dataclass(frozen=True, slots=True)
class Letter:
    """A composed mail. `key` names its cause once for ever; the Message-ID comes from it, so that a letter sent
    twice after a crash is one letter to the reader's mail program (M12)."""

    key: str
    to: str
    subject: str
    text: str
    html: str


def compose(folder: str, *, key: str, to: str, language: str, site_url: str, **context: object) -> Letter:
    """Render `folder`/subject.txt, body.txt and body.html with the same context, in the reader's language.

    A letter is written as a page of the site at `site_url` would be, so that `url_for(…, _external=True)` leads
    there and `site` is known; an application context has to be there.
    """
    with current_app.test_request_context(base_url=site_url), speaking(language):
        subject = render_template(f"{folder}/subject.txt", **context)
        return Letter(
            key=key,
            to=to,
            subject=" ".join(subject.split()),
            text=render_template(f"{folder}/body.txt", **context).strip() + "\n",
            html=render_template(f"{folder}/body.html", **context),
        )


class Mailer:
    def __init__(self, *, host: str, port: int, sender: str, timeout_s: float = 10) -> None:
        self._host, self._port, self._sender, self._timeout_s = host, port, sender, timeout_s

    def send(self, letter: Letter) -> None:
        """Hand the letter to the mail server; GatewayError when it refuses this letter for good (permanent), or
        is not there, busy or not content with us (not permanent: somebody can mend that)."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{letter.key.replace(':', '.')}@{self._sender.rpartition('@')[2].rstrip('>')}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        try:
            with smtplib.SMTP(self._host, self._port, local_hostname="localhost", timeout=self._timeout_s) as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            [(status, said)] = refused.recipients.values()
            raise GatewayError(f"{letter.to} refused: {_reason(status, said)}", permanent=status >= 500) from refused
        except smtplib.SMTPDataError as refused:
            reason = _reason(refused.smtp_code, refused.smtp_error)
            raise GatewayError(f"letter refused: {reason}", permanent=refused.smtp_code >= 500) from refused
        except smtplib.SMTPNotSupportedError as refused:
            raise GatewayError(f"the mail server cannot write to {letter.to}", permanent=True) from refused
        except (OSError, smtplib.SMTPException) as trouble:
            raise GatewayError(f"mail server: {trouble}", permanent=False) from trouble


def _reason(status: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{status} {text}"[:500]
