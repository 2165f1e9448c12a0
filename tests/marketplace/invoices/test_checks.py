"""Each rule about documents finds the fault that it is there for."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.invoices.checks import RULES, broken_rules
from marketplace.invoices.issuing import credit, issue_for_seller
from marketplace.invoices.keeping import keep_paper
from marketplace.invoices.mandates import sign_mandate
from marketplace.money import Money
from tests.marketplace.invoices.cast import ASSOCIATION, CHEESE, NOW, TODAY, sale

FAULTS = {
    "I19 a series with a gap or a number twice": (
        "UPDATE issued_document SET ordinal = 7 WHERE number = 'M1-F2026-00002'"
    ),
    "I19 numbers that run against time": (
        "UPDATE issued_document SET issued_on = '2026-11-25' WHERE number = 'M1-F2026-00001'"
    ),
    "I19 a document of another seller, kind or year than its series": "UPDATE invoice_series SET year = 2025",
    "I19 a document that is not the sum of its lines": "UPDATE issued_line SET amount = amount + 1 WHERE id = 1",
    "I19 a line credited beyond its amount": "UPDATE issued_line SET amount = 1 WHERE id = 1",
    "I19 a credit note on lines that are not its invoice's": (
        "UPDATE issued_line SET credits_line_id = 4 WHERE credits_line_id IS NOT NULL"
    ),
    "I19 a kept paper that is not what was handed out": "UPDATE kept_paper SET pdf = 'another'",
    "I19 a document in a merchant's name without a mandate in force": (
        "UPDATE invoicing_mandate SET ended_on = signed_on"
    ),
}


def test_every_rule_has_its_fault() -> None:
    assert {name for name, _ in RULES} == FAULTS.keys()


@pytest.mark.parametrize("rule", FAULTS)
def test_the_fault_is_found(session: Session, rule: str) -> None:
    sign_mandate(session, seller=CHEESE.key, signed_on=TODAY, signed_by="Rose Breuil", now=NOW)
    one, _ = (issue_for_seller(session, key=f"s:{n}", draft=sale(), issuer=ASSOCIATION, now=NOW) for n in range(2))
    credit(session, key="c", document_id=one.id, credits={0: Money(705)}, reason="Rendu", now=NOW)
    keep_paper(session, token=one.token, pdf=b"%PDF", now=NOW)
    assert list(broken_rules(session)) == []
    # Rows are known by their numbers from one: the tests' database restarts them, a rolled back test does not.
    first = session.execute(text("SELECT min(id) FROM issued_line")).scalar_one()
    statement = FAULTS[rule].replace("id = 1", f"id = {first}").replace("= 4", f"= {first + 3}")
    # As somebody with a database console could: the append-only tables refuse everybody else.
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text(statement))
    assert [found for found in broken_rules(session) if found.startswith(rule)] != []
