"""Keys of model servers: sealed for the database, opened only to be sent, shown to nobody.

Sealed with Fernet (AES-128-CBC and HMAC-SHA256) under a key derived from SECRET_KEY, so that a
dump of the database alone gives nothing away. After SECRET_KEY changes, the old one in
SECRET_KEY_FALLBACKS still opens what it sealed.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

_PURPOSE = b"tutelage: keys of model servers"


class SealBroken(Exception):
    """A sealed key cannot be opened with this installation's SECRET_KEY."""


def seal(key: str) -> str:
    """The key as it may lie in the database."""
    return _locks().encrypt(key.encode()).decode()


def unseal(sealed: str) -> str:
    """The key itself. Raises SealBroken."""
    try:
        return _locks().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken("It was sealed under another SECRET_KEY; enter it again.") from error


def is_sendable(key: str) -> bool:
    """Whether the key can stand in an HTTP header."""
    return key.isascii() and key.isprintable() and " " not in key


def _locks() -> MultiFernet:
    return MultiFernet(
        [Fernet(_derived(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _derived(secret: str | bytes) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return urlsafe_b64encode(derivation.derive(force_bytes(secret)))
