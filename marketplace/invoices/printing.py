"""Print in a process of its own: the PDF library would cost every process of the house 44 MB and a third of its start.

What the pages hand over is a sheet and its XML, as JSON; what comes back is the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from threading import BoundedSemaphore
from typing import Any

from marketplace.errors import GatewayError
from marketplace.invoices.sheet import Sheet, Table

#: A page takes a quarter of a second; the interpreter on a busy machine starts within this.
PATIENCE_S = 30

#: Presses of one process of the house: more would only share the machine's few cores. Whoever finds them busy waits
#: as long as for a page of any kind, then hears that there is a crowd.
_PRESSES = BoundedSemaphore(2)
QUEUE_S = 5


def print_in_child(sheet: Sheet, *, issued_at: datetime, xml: bytes | None) -> bytes:
    """The PDF of a sheet (`paper.print_pdf`). GatewayError when the machine is too busy to print now."""
    if not _PRESSES.acquire(timeout=QUEUE_S):
        raise GatewayError(f"no press was free within {QUEUE_S} s", permanent=False)
    try:
        done = subprocess.run(  # noqa: S603  # our own module and values, no shell
            [sys.executable, "-m", "marketplace.invoices"],
            input=order_to_json(sheet, issued_at, xml),
            stdout=subprocess.PIPE,
            timeout=PATIENCE_S,
            check=True,
        )
    except subprocess.TimeoutExpired as late:
        raise GatewayError(f"nothing printed within {PATIENCE_S} s", permanent=False) from late
    except subprocess.CalledProcessError as broken:
        raise GatewayError(f"the printer ended with {broken.returncode}", permanent=False) from broken
    finally:
        _PRESSES.release()
    return done.stdout


def order_to_json(sheet: Sheet, issued_at: datetime, xml: bytes | None) -> bytes:
    order = {"sheet": asdict(sheet), "issued_at": issued_at.isoformat(), "xml": xml.decode() if xml else None}
    return json.dumps(order).encode()


def order_from_json(order: bytes) -> tuple[Sheet, datetime, bytes | None]:
    """What `order_to_json` wrote."""
    read = json.loads(order)
    kept = read["sheet"]
    sheet = Sheet(
        title=kept["title"],
        seller_name=kept["seller_name"],
        warnings=tuple(kept["warnings"]),
        seller=tuple(kept["seller"]),
        buyer=tuple(kept["buyer"]),
        facts=tuple((label, value) for label, value in kept["facts"]),
        lines=_table(kept["lines"]),
        vat=_table(kept["vat"]),
        totals=tuple((label, value) for label, value in kept["totals"]),
        notes=tuple(kept["notes"]),
        words=kept["words"],
    )
    return sheet, datetime.fromisoformat(read["issued_at"]), read["xml"].encode() if read["xml"] else None


def _table(kept: dict[str, Any]) -> Table:
    return Table(tuple(kept["headings"]), tuple(tuple(row) for row in kept["rows"]), tuple(kept["widths"]))
