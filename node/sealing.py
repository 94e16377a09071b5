"""Sealing of what only an operator with the key may read: AES-256-GCM (NIST SP 800-38D), the key in a file.

A sealed value is bound to its place (table, row, column), so that one cannot be copied into another row.
"""

import hmac
import secrets
from pathlib import Path
from typing import Final

from Crypto.Cipher import AES

from node.errors import GridtraceError

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_VERSION: Final = b"\x01"


class SealBroken(GridtraceError):
    """A sealed value was altered, moved, or sealed with another key."""

    code = "seal-broken"


class BadSealingKey(GridtraceError):
    """The key file does not hold 32 bytes."""

    code = "bad-sealing-key"


class Box:
    """Seals and opens with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise BadSealingKey(f"a sealing key has {KEY_BYTES} bytes, this has {len(key)}")
        self._key = key

    @classmethod
    def open(cls, path: Path) -> "Box":
        """Reads the key: 32 bytes, or 64 hex digits after an optional 0x. Raises BadSealingKey."""
        data = path.read_bytes()
        if len(data) != KEY_BYTES:
            try:
                data = bytes.fromhex(data.strip().decode().removeprefix("0x"))
            except ValueError as error:
                raise BadSealingKey(f"{path} holds neither {KEY_BYTES} bytes nor hex digits") from error
        return cls(data)

    def derived(self, purpose: str) -> bytes:
        """A secret of 32 bytes for something else, which does not tell the key."""
        return hmac.digest(self._key, b"gridtrace/" + purpose.encode(), "sha256")

    def seal(self, text: str, place: str) -> bytes:
        """Sealed text; the same text never looks the same twice."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = AES.new(self._key, AES.MODE_GCM, nonce=nonce)
        cipher.update(_VERSION + place.encode())
        sealed, tag = cipher.encrypt_and_digest(text.encode())
        return _VERSION + nonce + tag + sealed

    def unseal(self, sealed: bytes, place: str) -> str:
        """The text. Raises SealBroken."""
        if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES:
            raise SealBroken(f"{place}: {len(sealed)} bytes are no sealed value")
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        cipher = AES.new(self._key, AES.MODE_GCM, nonce=nonce)
        cipher.update(_VERSION + place.encode())
        try:
            return cipher.decrypt_and_verify(rest[_TAG_BYTES:], rest[:_TAG_BYTES]).decode()
        except ValueError as error:
            raise SealBroken(f"{place}: altered, moved, or sealed with another key") from error
