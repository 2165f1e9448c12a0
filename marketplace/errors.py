"""The refusals that a person can act on, and trouble outside the house."""

from __future__ import annotations


class MarketplaceError(Exception):
    """A refusal that somebody can act on.

    `code` names the sentence (templates/marketplace/_refusals.html words it, the API sends it as the problem's type),
    `status` is the HTTP status that fits, the keywords are what the sentence needs; never a ready sentence.
    """

    code = "refused"
    status = 409

    def __init__(self, **details: object) -> None:
        super().__init__(self.code, details)
        self.details = details


class NotFound(MarketplaceError):
    """Absent, or somebody else's: a stranger learns no difference."""

    code = "not_found"
    status = 404


class FieldError(MarketplaceError):
    """A value that a person typed cannot be used; belongs at the field `field`."""

    code = "field"
    status = 422

    def __init__(self, field: str, code: str, **details: object) -> None:
        super().__init__(**details)
        self.field = field
        self.code = code


class GatewayError(Exception):
    """Trouble outside: a payment provider, a geocoder, a mail server.

    `permanent` says that trying again cannot help (nothing was done); otherwise the outcome is unknown or the
    call may be repeated.
    """

    def __init__(self, message: str, *, permanent: bool, field: str | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.field = field
