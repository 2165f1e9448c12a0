"""a refund of what has a receipt gets a refund receipt"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

KNOWN = op.f("ck_invoice_series_kind_known")
NAMES = op.f("ck_issued_document_credit_names_its_invoice")


def upgrade() -> None:
    op.drop_constraint(KNOWN, "invoice_series")
    op.create_check_constraint(
        KNOWN, "invoice_series", "kind IN ('invoice', 'credit_note', 'receipt', 'refund_receipt')"
    )
    op.drop_constraint(NAMES, "issued_document")
    op.create_check_constraint(
        NAMES, "issued_document", "(kind IN ('credit_note', 'refund_receipt')) = (corrects_id IS NOT NULL)"
    )


def downgrade() -> None:
    """Fails where refund receipts were issued: what was issued is never taken back."""
    op.drop_constraint(NAMES, "issued_document")
    op.create_check_constraint(NAMES, "issued_document", "(kind = 'credit_note') = (corrects_id IS NOT NULL)")
    op.drop_constraint(KNOWN, "invoice_series")
    op.create_check_constraint(KNOWN, "invoice_series", "kind IN ('invoice', 'credit_note', 'receipt')")
