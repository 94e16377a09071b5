"""Block headers: what nodes give as JSON, the encoding whose Keccak-256 is the block's hash, and back.

Fields through Osaka: London's base fee (EIP-1559), Shanghai's withdrawals (EIP-4895), Cancun's blob gas and parent
beacon block (EIP-4844, EIP-4788), Prague's requests (EIP-7685).
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from eth_hash.auto import keccak

from indexer.block import unhex
from indexer.proof import rlp
from indexer.proof.errors import NotRecomputable, ReceiptsDisagree

# Sizes in octets; None is a number.
FIXED: Final = (
    ("parent_hash", 32), ("sha3_uncles", 32), ("miner", 20), ("state_root", 32), ("transactions_root", 32),
    ("receipts_root", 32), ("logs_bloom", 256), ("difficulty", None), ("number", None), ("gas_limit", None),
    ("gas_used", None), ("timestamp", None), ("extra_data", -1), ("mix_hash", 32), ("nonce", 8),
)  # fmt: skip
LATER: Final = (
    ("base_fee_per_gas", None), ("withdrawals_root", 32), ("blob_gas_used", None), ("excess_blob_gas", None),
    ("parent_beacon_block_root", 32), ("requests_hash", 32),
)  # fmt: skip
"""Each later field stands only after all before it."""
FIELDS: Final = FIXED + LATER
LARGEST_BITS: Final = 256
_AT: Final = {name: at for at, (name, _) in enumerate(FIELDS)}
_Text: TypeAlias = str | None


class FullHeader(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Everything of a block that its hash is taken of, and that hash; hexadecimal text throughout."""

    hash: str
    parent_hash: str
    sha3_uncles: str
    miner: str
    state_root: str
    transactions_root: str
    receipts_root: str
    logs_bloom: str
    difficulty: str
    number: str
    gas_limit: str
    gas_used: str
    timestamp: str
    extra_data: str
    mix_hash: _Text = None
    nonce: _Text = None
    base_fee_per_gas: _Text = None
    withdrawals_root: _Text = None
    blob_gas_used: _Text = None
    excess_blob_gas: _Text = None
    parent_beacon_block_root: _Text = None
    requests_hash: _Text = None


@dataclass(frozen=True, slots=True)
class ProvenHeader:
    """What a header says, once its hash is known to be right."""

    hash: bytes
    number: int
    timestamp: int
    """Unix seconds."""
    receipts_root: bytes
    logs_bloom: bytes


def encode(header: FullHeader) -> bytes:
    """The header as its hash is taken of.

    Raises:
        ReceiptsDisagree: a field is malformed, or the hash of it all is not the one given.
        NotRecomputable: the chain has header fields that are not known here.
    """
    texts = [getattr(header, name) for name, _ in FIELDS]
    given = [text for text in texts if text is not None]
    if texts[: len(given)] != given or len(given) < len(FIXED):
        missing = FIELDS[texts.index(None)][0]
        raise NotRecomputable(f"block {header.number} has no {missing}, which the block's hash is taken of")
    try:
        fields = [_field(text, size) for text, (_, size) in zip(given, FIELDS, strict=False)]
        hash_given = unhex(header.hash, 32)
    except ValueError as error:
        raise ReceiptsDisagree(f"a header is malformed: {error}") from error
    encoded = rlp.encode(fields)
    if keccak(encoded) != hash_given:
        raise NotRecomputable(
            f"block {int(header.number, 16)}: its fields have the hash 0x{keccak(encoded).hex()}, not {header.hash}"
        )
    return encoded


def decode(encoded: bytes) -> ProvenHeader:
    """What an encoded header says. Raises ValueError for anything else."""
    parts = rlp.decode_list(encoded)
    if not len(FIXED) <= len(parts) <= len(FIELDS):
        raise ValueError(f"a header of {len(parts)} fields")
    for part, (name, size) in zip(parts, FIELDS, strict=False):
        if size is None:
            rlp.whole(part)
        elif size >= 0 and len(rlp.octets(part)) != size:
            raise ValueError(f"{name} of {len(rlp.octets(part))} bytes")
    return ProvenHeader(
        hash=keccak(encoded),
        number=rlp.whole(parts[_AT["number"]]),
        timestamp=rlp.whole(parts[_AT["timestamp"]]),
        receipts_root=rlp.octets(parts[_AT["receipts_root"]]),
        logs_bloom=rlp.octets(parts[_AT["logs_bloom"]]),
    )


def _field(text: str, size: int | None) -> bytes:
    if size is None:
        value = int(text, 16)
        if value < 0 or value.bit_length() > LARGEST_BITS:
            raise ValueError(f"out of range: {text[:80]!r}")
        return rlp.number(value)
    return unhex(text, None if size < 0 else size)
