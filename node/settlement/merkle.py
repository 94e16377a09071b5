"""One commitment to all metered energy of a slot, from which each owner can prove his own and nobody else's shows.

The tree is the one of OpenZeppelin's `StandardMerkleTree`: doubly hashed leaves in ascending order, sorted pairs, so
that `MerkleProof.verify` checks a proof on any EVM chain. Leaves carry a secret salt: without it a small number of
watt-hours could be guessed from its hash.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

EMPTY_ROOT: Final = bytes(32)
"""Root of a slot in which no meter was proved."""
_WORDS: Final = struct.Struct(">" + 5 * "24xQ")
"""Five numbers as ABI words."""


@dataclass(frozen=True, slots=True)
class MeteredSlot:
    """What one meter saw in one slot, in Wh, under a settlement version."""

    meter_id: int
    delivery_start: int
    version: int
    import_wh: int
    export_wh: int


def salt(secret: bytes, slot: MeteredSlot) -> bytes:
    """The leaf's 32-byte salt: HMAC-SHA256 (RFC 2104) of meter, slot and version under the node's secret."""
    name = slot.meter_id.to_bytes(4) + slot.delivery_start.to_bytes(8) + slot.version.to_bytes(2)
    return hmac.digest(secret, name, hashlib.sha256)


def leaf(slot: MeteredSlot, salt: bytes) -> bytes:
    """``keccak256(keccak256(abi.encode(salt, meterId, deliveryStart, version, importWh, exportWh)))``."""
    words = (slot.meter_id, slot.delivery_start, slot.version, slot.import_wh, slot.export_wh)
    return keccak(keccak(salt + _WORDS.pack(*words)))


def leaves(secret: bytes, slots: Iterable[MeteredSlot]) -> list[bytes]:
    """The salted leaves of a slot's meters, in the order given."""
    return [leaf(slot, salt(secret, slot)) for slot in slots]


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over ``leaves`` in any order; ``EMPTY_ROOT`` when there are none."""
    tree = _tree(sorted(leaves))
    return tree[0] if tree else EMPTY_ROOT


def proof(leaves: Iterable[bytes], of: bytes) -> list[bytes]:
    """The siblings from a leaf up to the root. Raises ValueError when the leaf is not there."""
    ordered = sorted(leaves)
    tree = _tree(ordered)
    index = len(tree) - 1 - ordered.index(of)
    siblings = []
    while index:
        siblings.append(tree[index + 1 if index % 2 else index - 1])
        index = (index - 1) // 2
    return siblings


def verify(root: bytes, leaf: bytes, proof: Iterable[bytes]) -> bool:
    """True when ``proof`` leads from ``leaf`` to ``root``."""
    node = leaf
    for sibling in proof:
        node = _pair(node, sibling)
    return node == root


def _tree(ordered: Sequence[bytes]) -> list[bytes]:
    """A heap: node i's children are 2i + 1 and 2i + 2; leaves stand at the end in reverse order."""
    if not ordered:
        return []
    tree = [b""] * (len(ordered) - 1) + list(reversed(ordered))
    for index in range(len(ordered) - 2, -1, -1):
        tree[index] = _pair(tree[2 * index + 1], tree[2 * index + 2])
    return tree


def _pair(left: bytes, right: bytes) -> bytes:
    return keccak(left + right if left < right else right + left)
