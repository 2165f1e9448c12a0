"""A Mollie-compatible payment server of our own: no account, no network, no real money.

It is another process with its own book (SQLite), called over HTTP only, so that the marketplace runs one code path
against it and against Mollie. It imports nothing of the marketplace but `Money`: a mistake of the marketplace must
not agree with itself here. What it emulates, leaves out and assumes stands on its page `/_sandbox`.
"""

from marketplace.payments.sandbox.app import Options, create_sandbox

__all__ = ["Options", "create_sandbox"]
