"""A document by its link: as a page, and as the paper to keep. The link is the key; its owner says who has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from io import BytesIO

from flask import Blueprint, current_app, render_template, send_file
from flask.typing import ResponseReturnValue

from marketplace.hall import the_hall
from marketplace.invoices.facturx import cross_industry_invoice
from marketplace.invoices.keeping import find_paper, keep_paper
from marketplace.invoices.layout import file_name, lay_out
from marketplace.invoices.printing import print_in_child
from marketplace.invoices.queries import get_document
from marketplace.invoices.rules import NO_INVOICE
from marketplace.invoices.sheet import Sheet
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing
from marketplace.web.limits import limiter

#: New papers for one address: a shopkeeper who fetches a day's invoices is not stopped, a machine is.
PRINTED_MOST = "30 per minute"

blueprint = Blueprint("documents", __name__, url_prefix="/documents")
blueprint.after_request(keep_nothing)


def paper_words() -> Mapping[str, str]:
    """The words of documents, French whatever the page's language."""
    template = current_app.jinja_env.get_template("marketplace/invoices/words.html")
    words: Mapping[str, str] = vars(template.module)["words"]
    return words


@blueprint.get("/<token>")
@open_to(everyone)
def show(token: str) -> ResponseReturnValue:
    """The document on screen, laid out to be printed."""
    with the_hall().database.glance() as session:
        document, _ = get_document(session, token=token)
    sheet = lay_out(document, paper_words())
    return render_template(
        "marketplace/invoices/document.html", sheet=sheet, kind=document.kind, number=document.number, token=token
    )


@blueprint.get("/<token>/pdf")
@open_to(everyone)
def pdf(token: str) -> ResponseReturnValue:
    """The document as a PDF/A-3; an invoice and a credit note carry their Factur-X. Printed once, then kept."""
    hall = the_hall()
    words = paper_words()
    with hall.database.glance() as session:
        document, issued_at = get_document(session, token=token)
        paper = find_paper(session, token=token)
    if paper is None:
        sheet = lay_out(document, words)
        xml = None if document.kind in NO_INVOICE else cross_industry_invoice(document, sheet.warnings)
        printed = _print(sheet, issued_at, xml)
        with hall.database.transaction() as session:
            paper = keep_paper(session, token=token, pdf=printed, now=hall.clock.now())
    return send_file(
        BytesIO(paper.pdf),
        "application/pdf",
        as_attachment=True,
        download_name=file_name(document, words),
        etag=paper.sha256.hex(),
    )


@limiter.limit(lambda: PRINTED_MOST)
def _print(sheet: Sheet, issued_at: datetime, xml: bytes | None) -> bytes:
    """Counted where a process is started, not where a kept paper is handed out."""
    return print_in_child(sheet, issued_at=issued_at, xml=xml)
