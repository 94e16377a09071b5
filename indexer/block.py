"""What the chain says: JSON-RPC answers as they arrive, and blocks as values."""

from dataclasses import dataclass
from typing import Final

import msgspec

HASH_BYTES: Final = 32
BLOOM_BYTES: Final = 256
LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999: what comes later is no time."""
LARGEST: Final = (1 << 63) - 1


class HeaderAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A block as ``eth_getBlockByNumber(…, false)`` gives it; hexadecimal text throughout.

    Source: https://ethereum.github.io/execution-apis/ (schema ``Block``)
    """

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    logs_bloom: str
    receipts_root: str
    gas_used: str
    transactions: tuple[str, ...] = ()


class LogAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A log as ``eth_getLogs`` gives it; hexadecimal text throughout."""

    address: str
    topics: tuple[str, ...]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str
    transaction_index: str = "0x0"
    removed: bool = False


class ReceiptAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of a receipt that the indexer reads."""

    logs: msgspec.Raw
    """A list of logs as ``eth_getLogs`` gives it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    """Unix seconds."""
    logs_bloom: bytes
    receipts_root: bytes
    transaction_count: int = 0
    gas_used: int = 0

    @classmethod
    def of(cls, answer: HeaderAnswer) -> "Block":
        """Raises ValueError where the answer is not hexadecimal, or of impossible size."""
        return cls(
            number=quantity(answer.number),
            hash=unhex(answer.hash, HASH_BYTES),
            parent_hash=unhex(answer.parent_hash, HASH_BYTES),
            timestamp=quantity(answer.timestamp, LAST_SECOND),
            logs_bloom=unhex(answer.logs_bloom, BLOOM_BYTES),
            receipts_root=unhex(answer.receipts_root, HASH_BYTES),
            transaction_count=len(answer.transactions),
            gas_used=quantity(answer.gas_used),
        )


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the chain stands: its head, and how far it is safe and final."""

    head: Block
    safe: int
    finalized: int


def unhex(text: str, width: int | None = None) -> bytes:
    """Bytes of ``0x…``, ``width`` of them where given. Raises ValueError for anything else."""
    if not text.startswith("0x"):
        raise ValueError(f"not hexadecimal: {text[:80]!r}")
    value = bytes.fromhex(text[2:])
    if width is not None and (len(value) != width or len(text) != 2 + 2 * width):
        raise ValueError(f"not {width} bytes: {text[:80]!r}")
    return value


def quantity(text: str, largest: int = LARGEST) -> int:
    """The number ``0x…``. Raises ValueError for anything else and outside 0 to ``largest``."""
    value = int(text, 16)
    if not 0 <= value <= largest:
        raise ValueError(f"out of range: {text[:80]!r}")
    return value
