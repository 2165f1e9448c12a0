"""What the sign-in page sends."""

from __future__ import annotations

from marketplace.schemas import Boundary, EmailField, TextField


class SignInForm(Boundary):
    email = EmailField(required=True, max_length=254)
    # Not trimmed and not normalised beyond NFC: a password is what was typed, within reason.
    password = TextField(required=True, max_length=200)
    next = TextField(load_default="", max_length=500)
