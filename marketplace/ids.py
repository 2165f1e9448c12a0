"""Unguessable tokens, and order codes that can be read aloud on the phone."""

from __future__ import annotations

import re
import secrets

from stdnum.iso7064 import mod_97_10

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_token() -> str:
    """128 random bits for links that stand in for a sign-in (baskets, guest orders, payments), URL-safe."""
    return secrets.token_urlsafe(16)


def is_token(text: str) -> bool:
    """Whether a text from an address could be one: the database refuses some others (NUL) instead of not finding."""
    return _TOKEN.fullmatch(text) is not None


def new_order_code() -> str:
    """Eight digits read as four pairs: six random, two ISO 7064 MOD 97-10 check digits.

    People say numbers in pairs; this check finds every wrong, twinned or swapped pair but 0.05 %
    (residents.md P1-P5). Uniqueness is the orders table's; a clash is drawn again.
    """
    digits = f"{secrets.randbelow(1_000_000):06d}"
    return digits + mod_97_10.calc_check_digits(digits)


def normalize_order_code(text: str) -> str | None:
    """The code in what a person typed (spaces, dots and dashes do not matter), or None if it cannot be one."""
    digits = "".join(c for c in text if c not in " .-\u00a0\u202f")
    ok = len(digits) == 8 and digits.isascii() and digits.isdigit() and mod_97_10.is_valid(digits)
    return digits if ok else None
