"""Encodings that have one form only, and tries that prove what is in them and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.proof import rlp, trie
from indexer.proof.errors import ProofInvalid

ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=6), max_leaves=30)
PAIRS = st.dictionaries(st.binary(min_size=1, max_size=6), st.binary(min_size=1, max_size=50), min_size=1, max_size=40)


@given(ITEMS)
def test_rlp__any_item__comes_back(item: rlp.Item) -> None:
    assert rlp.decode(rlp.encode(item)) == item


@given(st.binary(max_size=120))
def test_rlp__whatever_is_decoded__has_no_other_encoding(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except ValueError:
        return
    assert rlp.encode(item) == data


@given(PAIRS, st.binary(min_size=1, max_size=6))
def test_trie__any_pairs__are_proved_and_others_are_not(pairs: dict[bytes, bytes], other: bytes) -> None:
    for key, value in pairs.items():
        root, path = trie.prove(pairs, key)
        assert trie.proven(root, key, path) == value
        if other not in pairs:
            with pytest.raises(ProofInvalid):
                trie.proven(root, other, path)


@given(PAIRS, st.data())
def test_trie__any_changed_byte_of_a_proof__is_refused(pairs: dict[bytes, bytes], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(pairs)))
    root, path = trie.prove(pairs, key)
    node = data.draw(st.integers(0, len(path) - 1))
    place = data.draw(st.integers(0, len(path[node]) - 1))
    changed = bytearray(path[node])
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofInvalid):
        trie.proven(root, key, [*path[:node], bytes(changed), *path[node + 1 :]])
