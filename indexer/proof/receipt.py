"""Receipts: what nodes give as JSON, the encoding that the receipts trie holds, and back.

Source: yellow paper section 4.3.1; EIP-658 (status), EIP-2718 (typed receipts), types of EIP-2930, EIP-1559,
EIP-4844 and EIP-7702.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from indexer.block import BLOOM_BYTES, HASH_BYTES, quantity, unhex
from indexer.proof import rlp
from indexer.proof.errors import NotRecomputable
from indexer.verify import bloom_mask

KNOWN_TYPES: Final = frozenset(range(5))
ADDRESS_BYTES: Final = 20
MOST_TOPICS: Final = 4


class ReceiptLog(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A log inside a receipt; hexadecimal text throughout."""

    address: str
    topics: tuple[str, ...]
    data: str
    log_index: str
    block_number: str = "0x0"
    block_hash: str = "0x"
    transaction_hash: str = "0x"


class FullReceipt(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A receipt as ``eth_getBlockReceipts`` and ``eth_getTransactionReceipt`` give it."""

    transaction_hash: str
    transaction_index: str
    block_hash: str
    block_number: str
    cumulative_gas_used: str
    logs: tuple[ReceiptLog, ...]
    type: str = "0x0"
    status: str | None = None
    root: str | None = None
    """State root, in the place of the status before Byzantium."""
    logs_bloom: str | None = None
    gas_used: str = "0x0"


@dataclass(frozen=True, slots=True)
class Entry:
    """A log as the receipts trie commits to it."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """What an encoded receipt says."""

    type: int
    succeeded: bool | None
    """None before Byzantium, when receipts did not say."""
    cumulative_gas_used: int
    logs: tuple[Entry, ...]


def encode(receipt: FullReceipt) -> bytes:
    """The receipt as the receipts trie holds it.

    Raises:
        ValueError: a field is malformed.
        NotRecomputable: a transaction type whose receipts are encoded in a way not known here.
    """
    kind = quantity(receipt.type)
    if kind not in KNOWN_TYPES:
        raise NotRecomputable(f"transaction {receipt.transaction_hash} is of type {kind}")
    logs: list[rlp.Item] = [_log_item(entry_of(log)) for log in receipt.logs]
    fields: list[rlp.Item] = [
        _outcome(receipt),
        rlp.number(quantity(receipt.cumulative_gas_used)),
        _bloom(receipt),
        logs,
    ]
    return (bytes([kind]) if kind else b"") + rlp.encode(fields)


def decode(encoded: bytes) -> ProvenReceipt:
    """What an encoded receipt says. Raises ValueError for anything else."""
    kind = encoded[0] if encoded and encoded[0] < 0x80 else 0
    if kind not in KNOWN_TYPES or encoded[:1] == b"\0":
        raise ValueError(f"a receipt of type {kind}")
    parts = rlp.decode_list(encoded[1:] if kind else encoded)
    if len(parts) != 4:
        raise ValueError(f"a receipt of {len(parts)} fields")
    outcome, gas, bloom, logs = parts
    if len(rlp.octets(bloom)) != BLOOM_BYTES:
        raise ValueError("a receipt without a bloom filter")
    return ProvenReceipt(kind, _succeeded(rlp.octets(outcome)), rlp.whole(gas), tuple(map(_entry, rlp.items(logs))))


def entry_of(log: ReceiptLog) -> Entry:
    """The committed part of a log. Raises ValueError where it is malformed."""
    if len(log.topics) > MOST_TOPICS:
        raise ValueError(f"a log has {len(log.topics)} topics")
    topics = tuple(unhex(topic, HASH_BYTES) for topic in log.topics)
    return Entry(unhex(log.address, ADDRESS_BYTES), topics, unhex(log.data))


def bloom_of(entries: tuple[Entry, ...]) -> bytes:
    """The bloom filter over addresses and topics."""
    bloom = 0
    for entry in entries:
        bloom |= bloom_mask(entry.address)
        for topic in entry.topics:
            bloom |= bloom_mask(topic)
    return bloom.to_bytes(BLOOM_BYTES, "big")


def _outcome(receipt: FullReceipt) -> bytes:
    if receipt.status is not None:
        return rlp.number(quantity(receipt.status, 1))
    if receipt.root is None:
        raise ValueError(f"the receipt of {receipt.transaction_hash[:80]} has neither status nor root")
    return unhex(receipt.root, HASH_BYTES)


def _succeeded(outcome: bytes) -> bool | None:
    if outcome in (b"", b"\1"):
        return outcome == b"\1"
    if len(outcome) == HASH_BYTES:
        return None
    raise ValueError("a receipt with neither status nor root")


def _bloom(receipt: FullReceipt) -> bytes:
    if receipt.logs_bloom is not None:
        return unhex(receipt.logs_bloom, BLOOM_BYTES)
    return bloom_of(tuple(entry_of(log) for log in receipt.logs))


def _log_item(entry: Entry) -> rlp.Item:
    topics: list[rlp.Item] = list(entry.topics)
    return [entry.address, topics, entry.data]


def _entry(item: rlp.Item) -> Entry:
    parts = rlp.items(item)
    if len(parts) != 3:
        raise ValueError(f"a log of {len(parts)} fields")
    address, topics = rlp.octets(parts[0]), tuple(rlp.octets(topic) for topic in rlp.items(parts[1]))
    if len(address) != ADDRESS_BYTES or any(len(topic) != HASH_BYTES for topic in topics) or len(topics) > MOST_TOPICS:
        raise ValueError("a malformed log")
    return Entry(address, topics, rlp.octets(parts[2]))
