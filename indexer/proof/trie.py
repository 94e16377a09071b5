"""Merkle Patricia trie over given pairs: its root, and the nodes that prove one value to who knows the root.

Source: Ethereum yellow paper, appendix D.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from eth_hash.auto import keccak

from indexer.proof import rlp
from indexer.proof.errors import ProofInvalid

HASH: Final = 32
BRANCHES: Final = 16
EMPTY_ROOT: Final = keccak(rlp.encode(b""))

_Pairs = list[tuple[bytes, bytes]]
"""Nibbles (one per byte) and values, ordered by nibbles."""
_Fetch = Callable[[bytes], bytes]
"""Gives the node with a hash."""


def root_of(pairs: Mapping[bytes, bytes]) -> bytes:
    """The root hash of a trie with these values. Raises ValueError for an empty value, which no trie has."""
    return _build(pairs, {})


def ordered_root(values: Iterable[bytes]) -> bytes:
    """The root hash over values by position, as blocks have over transactions, receipts and withdrawals."""
    return root_of(by_position(values))


def by_position(values: Iterable[bytes]) -> dict[bytes, bytes]:
    """Values under the keys that blocks give them: the encoding of their position."""
    return {position_key(position): value for position, value in enumerate(values)}


def position_key(position: int) -> bytes:
    return rlp.encode(rlp.number(position))


def prove(pairs: Mapping[bytes, bytes], key: bytes) -> tuple[bytes, list[bytes]]:
    """The root hash, and the nodes from the root down to the value under ``key``.

    Raises:
        KeyError: there is no such value.
    """
    if key not in pairs:
        raise KeyError(key.hex())
    nodes: dict[bytes, bytes] = {}
    root = _build(pairs, nodes)
    path: list[bytes] = []
    _walk(root, key, nodes.__getitem__, path)
    return root, path


def proven(root: bytes, key: bytes, path: Sequence[bytes]) -> bytes:
    """The value under ``key`` in the trie with this root.

    Raises:
        ProofInvalid: the nodes are not exactly those from the root down to a value under ``key``.
    """
    left = iter(path)

    def following(wanted: bytes) -> bytes:
        node = next(left, None)
        if node is None:
            raise ProofInvalid("the proof lacks a node")
        if keccak(node) != wanted:
            raise ProofInvalid(f"a node of the proof has the hash {keccak(node).hex()}, not {wanted.hex()}")
        return node

    try:
        value = _walk(root, key, following, [])
    except ValueError as error:
        raise ProofInvalid(f"a node of the proof is malformed: {error}") from error
    if next(left, None) is not None:
        raise ProofInvalid("the proof has more nodes than lead to the value")
    return value


def _build(pairs: Mapping[bytes, bytes], nodes: dict[bytes, bytes]) -> bytes:
    """The root's hash; fills ``nodes`` with every hashed node."""
    if not pairs:
        return EMPTY_ROOT
    if not all(pairs.values()):
        raise ValueError("an empty value")
    root = _node(sorted((_nibbles(key), value) for key, value in pairs.items()), 0, nodes)
    digest = keccak(root)
    nodes[digest] = root
    return digest


def _node(pairs: _Pairs, depth: int, nodes: dict[bytes, bytes]) -> bytes:
    """The encoded node over pairs that share their first ``depth`` nibbles."""
    if len(pairs) == 1:
        key, value = pairs[0]
        return rlp.encode([_compact(key[depth:], is_leaf=True), value])
    shared = _shared(pairs[0][0], pairs[-1][0], depth)
    if shared > depth:
        below = _reference(_node(pairs, shared, nodes), nodes)
        return rlp.encode_list([rlp.encode(_compact(pairs[0][0][depth:shared], is_leaf=False)), below])
    value = b""
    if len(pairs[0][0]) == depth:
        value, pairs = pairs[0][1], pairs[1:]
    starts = [0, *(at for at, (one, two) in enumerate(pairwise(pairs), 1) if one[0][depth] != two[0][depth])]
    slots = [rlp.encode(b"")] * BRANCHES
    for start, stop in pairwise([*starts, len(pairs)]):
        slots[pairs[start][0][depth]] = _reference(_node(pairs[start:stop], depth + 1, nodes), nodes)
    return rlp.encode_list([*slots, rlp.encode(value)])


def _reference(node: bytes, nodes: dict[bytes, bytes]) -> bytes:
    """How a parent names a child: by its hash, or whole where that is shorter."""
    if len(node) < HASH:
        return node
    digest = keccak(node)
    nodes[digest] = node
    return rlp.encode(digest)


def _walk(root: bytes, key: bytes, fetch: _Fetch, path: list[bytes]) -> bytes:
    """Follows ``key`` from the root; keeps the hashed nodes in ``path``."""
    rest = _nibbles(key)
    path.append(fetch(root))
    node = rlp.decode_list(path[-1])
    while True:
        if len(node) == BRANCHES + 1:
            if not rest:
                return _value(node[BRANCHES])
            child, rest = node[rest[0]], rest[1:]
        elif len(node) == 2:
            nibbles, is_leaf = _expand(rlp.octets(node[0]))
            if not rest.startswith(nibbles) or (is_leaf and rest != nibbles):
                raise ProofInvalid("the proof leads to another key")
            if is_leaf:
                return _value(node[1])
            child, rest = node[1], rest[len(nibbles) :]
        else:
            raise ProofInvalid(f"a node of the proof has {len(node)} items")
        if isinstance(child, bytes):
            if len(child) != HASH:
                raise ProofInvalid("the trie has no value under the key")
            path.append(fetch(child))
            node = rlp.decode_list(path[-1])
        else:
            node = rlp.items(child)


def _value(item: rlp.Item) -> bytes:
    value = rlp.octets(item)
    if not value:
        raise ProofInvalid("the trie has no value under the key")
    return value


def _nibbles(key: bytes) -> bytes:
    return bytes.fromhex("".join("0" + digit for digit in key.hex()))


def _shared(one: bytes, other: bytes, start: int) -> int:
    """How many first nibbles are the same; the first ``start`` are known to be."""
    end = min(len(one), len(other))
    while start < end and one[start] == other[start]:
        start += 1
    return start


def _compact(nibbles: bytes, *, is_leaf: bool) -> bytes:
    """Nibbles as octets, with the node's kind and their parity in the first.

    Source: yellow paper, appendix C (hex prefix).
    """
    flag = 2 if is_leaf else 0
    padded = bytes([flag + 1]) + nibbles if len(nibbles) % 2 else bytes([flag, 0]) + nibbles
    return bytes(16 * high + low for high, low in zip(padded[::2], padded[1::2], strict=True))


def _expand(path: bytes) -> tuple[bytes, bool]:
    """The nibbles of a compact path, and whether it is a leaf's. Raises ValueError."""
    nibbles = _nibbles(path)
    if not nibbles or nibbles[0] > 3 or (nibbles[0] % 2 == 0 and nibbles[1] != 0):
        raise ValueError("not a path")
    return nibbles[1 if nibbles[0] % 2 else 2 :], nibbles[0] >= 2
