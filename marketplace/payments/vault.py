"""Merchants' tokens at rest: unreadable without the site's SECRET_KEY, and of no use in another merchant's row."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SealBroken(Exception):
    """Sealed with a key that we no longer have, for another row, or damaged."""


class Vault:
    """Seals and opens; what was sealed with an earlier SECRET_KEY is opened while that stands among the fallbacks."""

    def __init__(self, secret_key: str, fallbacks: Sequence[str] = ()) -> None:
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in (secret_key, *fallbacks)])

    def seal(self, secret: str, *, owner: str) -> str:
        """`secret`, for the row that `owner` names only."""
        return self._fernet.encrypt(f"{owner}\n{secret}".encode()).decode()

    def open(self, sealed: str, *, owner: str) -> str:
        """The secret again; SealBroken."""
        try:
            named, _, secret = self._fernet.decrypt(sealed.encode()).decode().partition("\n")
        except InvalidToken:
            raise SealBroken from None
        if named != owner:
            raise SealBroken
        return secret


def _derived(secret_key: str) -> bytes:
    """A key of this purpose alone: whoever learns it cannot sign cookies, and the other way round."""
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"marche-commun: tokens of connected accounts")
    return urlsafe_b64encode(derivation.derive(secret_key.encode()))
