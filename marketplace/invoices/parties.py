"""The association as a party of documents."""

from __future__ import annotations

from marketplace.invoices.rules import Address, Party
from marketplace.settings import LegalIdentity

#: The ledger's word for it, too.
ASSOCIATION = "association"


def association_party(identity: LegalIdentity, *, vat_number: str) -> Party:
    """As it is, with the VAT number of the day that counts (`vat_status`)."""
    return Party(
        key=ASSOCIATION,
        name=identity.name,
        legal_form=identity.legal_form,
        registration=identity.registration,
        siren=identity.siren,
        vat_number=vat_number,
        address=Address(identity.street, identity.postcode, identity.city),
    )
