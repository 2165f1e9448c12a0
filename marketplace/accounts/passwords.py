"""Passwords: argon2id, never too many tries, and the same time whether or not somebody exists (S36, S41)."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 200

_hasher = PasswordHasher()


@cache
def _nobody() -> str:
    """Compared against when nobody has the address, so that an absent account takes as long as a wrong password.

    Made when first asked for: a tenth of a second that no command has to wait for at its start.
    """
    return _hasher.hash("nobody has this password")


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one; takes as long for a missing or unusable hash."""
    try:
        _hasher.verify(password_hash or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(password_hash)
