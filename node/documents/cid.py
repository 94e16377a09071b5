"""Content identifiers: what a file is called in IPFS. https://github.com/multiformats/cid

Version 0 is a base58btc SHA-256 multihash of a dag-pb block; version 1 names its codec and is written in base32. Two
texts of one identifier differ, so identifiers are compared as bytes.
"""

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from node.errors import Refused

RAW: Final = 0x55
DAG_PB: Final = 0x70

_SHA2_256: Final = b"\x12\x20"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_V0_LENGTH: Final = 46


class BadCid(Refused):
    """This is not a content identifier that we can check."""

    code = "bad-cid"


@dataclass(frozen=True, slots=True)
class Cid:
    """A content identifier with a SHA-256 digest."""

    version: int
    codec: int
    digest: bytes

    @classmethod
    def of(cls, block: bytes, codec: int, version: int = 1) -> "Cid":
        """The identifier of a block."""
        return cls(version, codec, sha256(block).digest())

    @classmethod
    def parse(cls, text: str) -> "Cid":
        """Reads version 0, and version 1 in lower-case base32.

        Raises:
            BadCid: neither, another hash than SHA-256, or a codec other than raw and dag-pb.
        """
        if len(text) == _V0_LENGTH and text.startswith("Qm"):
            return cls._from_v0(text)
        return cls._from_v1(text)

    @classmethod
    def _from_v0(cls, text: str) -> "Cid":
        number = 0
        for letter in text:
            if letter not in _BASE58:
                raise BadCid(f"{text!r}: {letter!r} is not of base58btc")
            number = number * len(_BASE58) + _BASE58.index(letter)
        data = number.to_bytes(34, "big") if number.bit_length() <= 34 * 8 else b""
        if data[:2] != _SHA2_256:
            raise BadCid(f"{text!r} is not a SHA-256 multihash")
        return cls(0, DAG_PB, data[2:])

    @classmethod
    def _from_v1(cls, text: str) -> "Cid":
        body = text[1:].upper()
        try:
            data = base64.b32decode(body + "=" * (-len(body) % 8))
        except ValueError as error:
            raise BadCid(f"{text[:80]!r} is neither a version 0 identifier nor base32") from error
        if text[:1] != "b" or len(data) != 36 or data[0] != 1 or data[1] not in (RAW, DAG_PB) or data[2:4] != _SHA2_256:
            raise BadCid(f"{text[:80]!r} is not a version 1 identifier, raw or dag-pb, with SHA-256")
        cid = cls(1, data[1], data[4:])
        if str(cid) != text:
            raise BadCid(f"{text!r} is not written as {cid}")
        return cid

    def to_bytes(self) -> bytes:
        """The binary form, as links hold it."""
        multihash = _SHA2_256 + self.digest
        return multihash if self.version == 0 else bytes((self.version, self.codec)) + multihash

    def __str__(self) -> str:
        data = self.to_bytes()
        if self.version == 1:
            return "b" + base64.b32encode(data).decode().lower().rstrip("=")
        number, letters = int.from_bytes(data, "big"), ""
        while number:
            number, digit = divmod(number, len(_BASE58))
            letters = _BASE58[digit] + letters
        return letters

    def names(self, block: bytes) -> bool:
        """Whether the block is the one that is meant."""
        return sha256(block).digest() == self.digest
