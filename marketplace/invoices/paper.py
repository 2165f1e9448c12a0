"""A document as a PDF/A-3b that carries its own Factur-X: readable for ever, by people and by programs.

The same document always becomes the same bytes: fonts, dates and names come from what was issued. Only the printing
process imports this module (`printing`).
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

from fpdf import FPDF
from fpdf.enums import DocumentCompliance, TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from marketplace.invoices.facturx import FILE_NAME
from marketplace.invoices.sheet import Sheet, Table

FONTS = Path(__file__).parent.parent / "static" / "fonts"
TEXT, HEADING = "Atkinson Hyperlegible Next", "Fraunces"

#: Millimetres on A4; sizes in points. Nothing that has to be read is smaller than 9 points.
MARGIN, COLUMN = 18.0, 84.0
SIZE, SMALL, TITLE = 10.5, 9.0, 22.0
#: Shares of the width: the text takes what six figures leave.
LINE_WIDTHS, VAT_WIDTHS = (38, 11, 14, 9, 14, 14), (25, 25, 25, 25)
#: Of a line of text.
LINE = 5.4
INK, RULE, WARNING = (28, 25, 23), (150, 143, 135), (122, 31, 18)

XMP_NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
#: The four properties that Factur-X adds to a PDF's description, and that PDF/A wants explained inside it.
XMP_PROPERTIES = (
    ("DocumentFileName", FILE_NAME, "The name of the embedded XML document"),
    ("DocumentType", "INVOICE", "The type of the hybrid document in capital letters"),
    ("Version", "1.0", "The version of the standard applying to the embedded XML document"),
    ("ConformanceLevel", "EN 16931", "The conformance level of the embedded XML document"),
)


#: Letters that Unicode does not take apart, and what they are written as without their stroke.
PLAIN = str.maketrans("ŁłĐđĦħŦŧı", "LlDdHhTti")


class _Paper(FPDF):
    """A4 with the document's name and the page's number at the foot of each page."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(format="A4", enforce_compliance=DocumentCompliance.PDFA_3B)
        self.sheet = sheet
        self.set_margin(MARGIN)
        self.set_auto_page_break(auto=True, margin=MARGIN + 6)
        self.add_font(TEXT, "", FONTS / "atkinson-400.woff2")
        self.add_font(TEXT, "B", FONTS / "atkinson-700.woff2")
        self.add_font(HEADING, "", FONTS / "fraunces-600.woff2")
        self.set_text_color(*INK)
        self.set_draw_color(*RULE)

    def footer(self) -> None:
        self.set_y(-MARGIN)
        self.set_font(TEXT, "", SMALL)
        page = self.sheet.words["page"] % {"page": self.page_no(), "pages": "{nb}"}
        self.cell(text=self.known(f"{self.sheet.seller_name}, {self.sheet.title}. {page}"))

    def known(self, text: str) -> str:
        """The text in signs that the current font has; accents that it lacks are dropped, other signs become "?".

        PDF/A forbids signs without a drawing. What is embedded for programs keeps every sign.
        """
        font = self.current_font
        assert isinstance(font, TTFFont), "every font here is embedded"
        drawn = font.cmap
        return "".join(
            sign
            if ord(sign) in drawn
            else "".join(c for c in unicodedata.normalize("NFKD", sign).translate(PLAIN) if ord(c) in drawn) or "?"
            for sign in text
        )


def print_pdf(sheet: Sheet, *, issued_at: datetime, xml: bytes | None) -> bytes:
    """The PDF of a sheet; with `xml` (an invoice's or a credit note's) embedded as its Factur-X."""
    pdf = _Paper(sheet)
    pdf.set_title(sheet.title)
    pdf.set_author(sheet.seller_name)
    pdf.set_lang("fr-FR")
    pdf.set_creation_date(issued_at)
    pdf.set_xmp_metadata(_xmp(sheet, issued_at, has_xml=xml is not None))
    if xml is not None:
        pdf.embed_file(
            bytes=xml,
            basename=FILE_NAME,
            mime_type="text/xml",
            desc=sheet.words["xml"],
            compress=True,
            checksum=True,
            creation_date=issued_at,
            modification_date=issued_at,
            associated_file_relationship="Alternative",
        )
    pdf.add_page()
    _head(pdf, sheet)
    _parties(pdf, sheet)
    _facts(pdf, sheet)
    _table(pdf, sheet.lines, LINE_WIDTHS)
    pdf.ln(4)
    _sums(pdf, sheet)
    _table(pdf, sheet.vat, VAT_WIDTHS)
    pdf.ln(4)
    for note in sheet.notes:
        _paragraph(pdf, note)
    return bytes(pdf.output())


def _head(pdf: _Paper, sheet: Sheet) -> None:
    pdf.set_font(HEADING, "", TITLE)
    pdf.multi_cell(w=0, h=12, text=pdf.known(sheet.title), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
    for warning in sheet.warnings:
        pdf.set_font(TEXT, "B", SIZE)
        pdf.set_text_color(*WARNING)
        _paragraph(pdf, warning)
        pdf.set_text_color(*INK)
    pdf.ln(4)


def _parties(pdf: _Paper, sheet: Sheet) -> None:
    top, bottom = pdf.get_y(), 0.0
    blocks = ((sheet.words["seller"], sheet.seller), (sheet.words["buyer"], sheet.buyer))
    for left, (label, block) in zip((MARGIN, pdf.w - MARGIN - COLUMN), blocks, strict=True):
        pdf.set_xy(left, top)
        pdf.set_font(TEXT, "B", SIZE)
        pdf.multi_cell(w=COLUMN, h=LINE, text=label, new_x=XPos.LEFT, new_y=YPos.NEXT)
        pdf.set_font(TEXT, "", SIZE)
        for line in block:
            pdf.multi_cell(w=COLUMN, h=LINE, text=pdf.known(line), new_x=XPos.LEFT, new_y=YPos.NEXT, align="L")
        bottom = max(bottom, pdf.get_y())
    pdf.set_xy(MARGIN, bottom + 5)


def _facts(pdf: _Paper, sheet: Sheet) -> None:
    for label, value in sheet.facts:
        pdf.set_font(TEXT, "B", SIZE)
        pdf.cell(w=44, h=LINE, text=label)
        pdf.set_font(TEXT, "", SIZE)
        pdf.multi_cell(w=0, h=LINE, text=pdf.known(value), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")
    pdf.ln(5)


def _table(pdf: _Paper, table: Table, widths: tuple[int, ...]) -> None:
    """Its headings stand again on every page that it goes on to."""
    pdf.set_font(TEXT, "", SMALL)
    aligns = ("LEFT", *("RIGHT" for _ in widths[1:]))
    with pdf.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=table.widths or widths,
        text_align=aligns,
        headings_style=FontFace(emphasis="BOLD"),
        padding=1,
        line_height=4.6,
        v_align="TOP",
    ) as drawn:
        for row in (table.headings, *table.rows):
            drawn.row([pdf.known(cell) for cell in row])


def _sums(pdf: _Paper, sheet: Sheet) -> None:
    *others, last = sheet.totals
    for label, amount in others:
        _sum(pdf, label, amount, "", SIZE)
    _sum(pdf, *last, "B", SIZE + 2)
    pdf.ln(5)


def _sum(pdf: _Paper, label: str, amount: str, emphasis: str, size: float) -> None:
    pdf.set_font(TEXT, emphasis, size)
    pdf.set_x(pdf.w - MARGIN - COLUMN)
    pdf.cell(w=COLUMN / 2, h=LINE + 0.6, text=label)
    pdf.cell(w=COLUMN / 2, h=LINE + 0.6, text=amount, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _paragraph(pdf: _Paper, text: str) -> None:
    pdf.multi_cell(w=0, h=LINE, text=pdf.known(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")


def _xmp(sheet: Sheet, issued_at: datetime, *, has_xml: bool) -> str:
    """What the file says of itself: PDF/A part 3, conformance B, and the Factur-X that it carries."""
    at = issued_at.isoformat(timespec="seconds")
    title, author = escape(sheet.title), escape(sheet.seller_name)
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">'
        "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>"
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>'
        f"<dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>"
        "<dc:language><rdf:Bag><rdf:li>fr-FR</rdf:li></rdf:Bag></dc:language>"
        f"<xmp:CreateDate>{at}</xmp:CreateDate><xmp:ModifyDate>{at}</xmp:ModifyDate></rdf:Description>"
        f"{_factur_x_xmp() if has_xml else ''}</rdf:RDF></x:xmpmeta>"
    )


def _factur_x_xmp() -> str:
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, value, _ in XMP_PROPERTIES)
    explained = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        f"<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{description}</pdfaProperty:description></rdf:li>"
        for name, _, description in XMP_PROPERTIES
    )
    return (
        f'<rdf:Description rdf:about="" xmlns:fx="{XMP_NAMESPACE}">{values}</rdf:Description>'
        '<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"'
        ' xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"'
        ' xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">'
        '<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
        f"<pdfaSchema:namespaceURI>{XMP_NAMESPACE}</pdfaSchema:namespaceURI>"
        "<pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{explained}</rdf:Seq></pdfaSchema:property>"
        "</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"
    )
