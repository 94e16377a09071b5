"""The trie against published roots, and proofs that hold for one value and for nothing else."""

import random

import pytest

from indexer.proof import trie
from indexer.proof.errors import ProofInvalid

# Source: https://github.com/ethereum/tests, TrieTests/trieanyorder.json
VECTORS: list[tuple[dict[bytes, bytes], str]] = [
    ({b"A": b"a" * 50}, "d23786fb4a010da3ce639d66d5e904a11dbc02746d1ce25029e53290cabf28ab"),
    (
        {b"doe": b"reindeer", b"dog": b"puppy", b"dogglesworth": b"cat"},
        "8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3",
    ),
    (
        {b"do": b"verb", b"horse": b"stallion", b"doge": b"coin", b"dog": b"puppy"},
        "5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84",
    ),
    ({b"foo": b"bar", b"food": b"bass"}, "17beaa1648bafa633cda809c90c04af50fc8aed3cb40d16efbddee6fdf63c4c3"),
    ({b"be": b"e", b"dog": b"puppy", b"bed": b"d"}, "3f67c7a47520f79faa29255d2d3c084a7a6df0453116ed7232ff10277a8be68b"),
    ({b"test": b"test", b"te": b"testy"}, "8452568af70d8d140f58d941338542f645fcca50094b20f3c3d8c3df49337928"),
    (
        {bytes.fromhex("0045"): bytes.fromhex("0123456789"), bytes.fromhex("4500"): bytes.fromhex("9876543210")},
        "285505fcabe84badc8aa310e2aae17eddc7d120aabec8a476902c8184b3a3503",
    ),
    ({}, "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
]


@pytest.mark.parametrize(("pairs", "root"), VECTORS)
def test_root_of__published_vectors__are_met(pairs: dict[bytes, bytes], root: str) -> None:
    assert trie.root_of(pairs).hex() == root
    for key, value in pairs.items():
        proved_root, path = trie.prove(pairs, key)
        assert proved_root.hex() == root
        assert trie.proven(proved_root, key, path) == value


def test_root_of__empty_value__is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        trie.root_of({b"a": b""})


@pytest.mark.parametrize("count", [1, 2, 16, 17, 127, 128, 129, 300])
def test_proven__every_position__gives_its_value(count: int) -> None:
    pairs = trie.by_position(bytes([1, n % 256, n // 256]) * (n % 40 + 1) for n in range(count))
    for key, value in pairs.items():
        root, path = trie.prove(pairs, key)
        assert root == trie.root_of(pairs)
        assert trie.proven(root, key, path) == value


def test_proven__key_that_is_not_there__is_refused() -> None:
    pairs = trie.by_position(bytes([n]) * 40 for n in range(1, 21))
    with pytest.raises(KeyError):
        trie.prove(pairs, trie.position_key(20))
    root, path = trie.prove(pairs, trie.position_key(3))
    for other in (4, 20, 300):
        with pytest.raises(ProofInvalid):
            trie.proven(root, trie.position_key(other), path)


def test_proven__any_change_of_the_nodes__is_refused() -> None:
    source = random.Random(7)
    pairs = trie.by_position(source.randbytes(60) for _ in range(200))
    key = trie.position_key(130)
    root, path = trie.prove(pairs, key)
    mutations = [path[:-1], path[1:], [*path, path[-1]], [path[0], *path], path[::-1], []]
    for at, node in enumerate(path):
        for position in range(len(node)):
            changed = node[:position] + bytes([node[position] ^ 1 << source.randrange(8)]) + node[position + 1 :]
            mutations.append([*path[:at], changed, *path[at + 1 :]])
    for mutated in mutations:
        with pytest.raises(ProofInvalid):
            trie.proven(root, key, mutated)
