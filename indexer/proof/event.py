"""Proof that an event is in a block: the header, the receipt, and the trie nodes between them. Pure, checked offline.

What is proved: the block with this hash commits to this receipt of its transaction at this index, which holds this
log at this position. A receipt does not name its transaction, so the transaction's hash and the log's index in the
whole block are told beside the proof, not by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from indexer.block import HASH_BYTES, quantity, unhex
from indexer.proof import header as headers
from indexer.proof import receipt as receipts
from indexer.proof import trie
from indexer.proof.agreement import in_order
from indexer.proof.errors import ProofInvalid, ReceiptsDisagree
from indexer.proof.header import FullHeader
from indexer.proof.receipt import Entry, FullReceipt

FORMAT: Final = "gridtrace-event-proof-1"
MAX_BYTES: Final = 64_000_000


class EventProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document that ``gridtrace verify`` takes; bytes are ``0x…``."""

    format: str
    chain_id: int
    """Told, not proved: a header does not say of which chain it is."""
    block_number: int
    block_hash: str
    header: str
    """The encoded header; its Keccak-256 is the block's hash."""
    transaction_index: int
    receipt: str
    """The encoded receipt, as the receipts trie holds it."""
    nodes: tuple[str, ...]
    """Trie nodes from the receipts root down to the receipt."""
    log_position: int
    """Which of the receipt's logs it is, from 0."""
    address: str
    topics: tuple[str, ...]
    data: str
    log_index: int
    """Told, not proved: the log's index in the block."""
    transaction_hash: str
    """Told, not proved."""


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """What a proof that holds has shown."""

    block_hash: bytes
    block_number: int
    timestamp: int
    """Unix seconds, from the header."""
    transaction_index: int
    succeeded: bool | None
    log_position: int
    log: Entry


def build(
    chain_id: int, header: FullHeader, block_receipts: Sequence[FullReceipt], log_index: int
) -> EventProof | None:
    """The proof of the log with this index in the block; None where the block has no such log.

    Raises:
        ReceiptsDisagree: header and receipts do not agree.
        NotRecomputable: hashes of this chain are taken in a way not known here.
    """
    encoded_header = headers.encode(header)
    encoded = in_order(header, block_receipts)
    found = _find(block_receipts, log_index)
    if found is None:
        return None
    receipt, position = found
    index = quantity(receipt.transaction_index)
    root, nodes = trie.prove(trie.by_position(encoded), trie.position_key(index))
    if root != unhex(header.receipts_root, HASH_BYTES):
        raise ReceiptsDisagree(f"block {quantity(header.number)}: its receipts have the root 0x{root.hex()}")
    log = receipts.entry_of(receipt.logs[position])
    return EventProof(
        format=FORMAT,
        chain_id=chain_id,
        block_number=quantity(header.number),
        block_hash=header.hash,
        header=_hex(encoded_header),
        transaction_index=index,
        receipt=_hex(encoded[index]),
        nodes=tuple(map(_hex, nodes)),
        log_position=position,
        address=_hex(log.address),
        topics=tuple(map(_hex, log.topics)),
        data=_hex(log.data),
        log_index=log_index,
        transaction_hash=receipt.transaction_hash,
    )


def verify(proof: EventProof, block_hash: bytes | None = None) -> ProvenEvent:
    """What the proof shows.

    Args:
        block_hash: the block that the reader knows to be in the chain; without it, whoever reads must compare.

    Raises:
        ProofInvalid: it does not show what it says; says why.
    """
    if proof.format != FORMAT:
        raise ProofInvalid(f"the format is {proof.format[:80]!r}, not {FORMAT!r}")
    try:
        return _verified(proof, block_hash)
    except ValueError as error:
        raise ProofInvalid(f"the proof is malformed: {error}") from error


def read(document: bytes) -> EventProof:
    """The proof in a JSON document. Raises ProofInvalid."""
    if len(document) > MAX_BYTES:
        raise ProofInvalid(f"the document has over {MAX_BYTES} bytes")
    try:
        return msgspec.json.decode(document, type=EventProof)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProofInvalid(f"the document is no event proof: {error}") from error


def _verified(proof: EventProof, block_hash: bytes | None) -> ProvenEvent:
    header = headers.decode(unhex(proof.header))
    if header.hash != unhex(proof.block_hash, HASH_BYTES):
        raise ProofInvalid(f"the header has the hash 0x{header.hash.hex()}, not {proof.block_hash}")
    if block_hash is not None and header.hash != block_hash:
        raise ProofInvalid(f"the proof is of block 0x{header.hash.hex()}, not 0x{block_hash.hex()}")
    if header.number != proof.block_number:
        raise ProofInvalid(f"the header is of block {header.number}, not {proof.block_number}")
    if proof.transaction_index < 0 or proof.log_position < 0:
        raise ProofInvalid("a negative index")
    encoded = unhex(proof.receipt)
    nodes = [unhex(node) for node in proof.nodes]
    if trie.proven(header.receipts_root, trie.position_key(proof.transaction_index), nodes) != encoded:
        raise ProofInvalid("the trie has another receipt at this index")
    receipt = receipts.decode(encoded)
    if proof.log_position >= len(receipt.logs):
        raise ProofInvalid(f"the receipt has {len(receipt.logs)} logs, none at position {proof.log_position}")
    log = receipt.logs[proof.log_position]
    if log != _told(proof):
        raise ProofInvalid("the receipt has another log at this position")
    return ProvenEvent(
        header.hash,
        header.number,
        header.timestamp,
        proof.transaction_index,
        receipt.succeeded,
        proof.log_position,
        log,
    )


def _told(proof: EventProof) -> Entry:
    return Entry(unhex(proof.address, 20), tuple(unhex(topic, HASH_BYTES) for topic in proof.topics), unhex(proof.data))


def _find(block_receipts: Sequence[FullReceipt], log_index: int) -> tuple[FullReceipt, int] | None:
    for receipt in block_receipts:
        for position, log in enumerate(receipt.logs):
            if quantity(log.log_index) == log_index:
                return receipt, position
    return None


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def document(proof: EventProof, **beside: Any) -> bytes:
    """The proof as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode({**msgspec.to_builtins(proof), **beside}), indent=2)
