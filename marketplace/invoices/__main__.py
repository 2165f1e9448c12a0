"""The printing process: a sheet as JSON on stdin, its PDF on stdout."""

from __future__ import annotations

import sys

from marketplace.invoices.paper import print_pdf
from marketplace.invoices.printing import order_from_json

if __name__ == "__main__":
    sheet, issued_at, xml = order_from_json(sys.stdin.buffer.read())
    sys.stdout.buffer.write(print_pdf(sheet, issued_at=issued_at, xml=xml))
