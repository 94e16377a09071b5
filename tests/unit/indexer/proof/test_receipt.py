"""Receipts of every type: encoded, read back, and what cannot be."""

import msgspec
import pytest

from indexer.proof import receipt as receipts
from indexer.proof import rlp, trie
from indexer.proof.errors import NotRecomputable
from tests.unit.indexer.proof import made

# The first transaction of the public chain, alone in its block: https://etherscan.io/block/46147
FIRST_ROOT = "0x96a8e009d2b88b1483e6941e6812e32263b05683fac202abc622a3e31aed1957"
FIRST_RECEIPTS_ROOT = "fe2bf2a941abf41d72637e5b91750332a30283efd40c424dc522b77e6f0ed8c4"


def test_encode__receipt_of_the_public_chain_before_statuses__has_the_blocks_root() -> None:
    first = made.receipt(0, 0, 0, status=None, root=FIRST_ROOT)
    assert trie.ordered_root([receipts.encode(first)]).hex() == FIRST_RECEIPTS_ROOT
    assert receipts.decode(receipts.encode(first)).succeeded is None


@pytest.mark.parametrize("kind", range(5))
def test_decode__receipt_of_every_type__gives_back_what_was_encoded(kind: int) -> None:
    one = made.receipt(5 + kind, 7, 3)
    encoded = receipts.encode(one)
    decoded = receipts.decode(encoded)
    assert (encoded[0] == kind) == (kind > 0)
    assert decoded.type == kind
    assert decoded.succeeded is True
    assert decoded.cumulative_gas_used == 21_000 * (6 + kind)
    assert list(decoded.logs) == made.entries([one])


def test_encode__without_a_bloom_filter__makes_the_same_as_with_it() -> None:
    one = made.receipt(3, 10, 3)
    bloom = receipts.bloom_of(tuple(made.entries([one])))
    assert receipts.encode(one) == receipts.encode(made.receipt(3, 10, 3, logs_bloom="0x" + bloom.hex()))


def test_encode__unknown_type__is_said_so() -> None:
    with pytest.raises(NotRecomputable, match="type 126"):
        receipts.encode(msgspec.structs.replace(made.receipt(0, 0, 0), type="0x7e"))


@pytest.mark.parametrize("change", [{"status": None}, {"status": "0x2"}, {"root": "0x12", "status": None}])
def test_encode__impossible_outcome__is_refused(change: dict[str, str | None]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        receipts.encode(made.receipt(0, 0, 0, **change))


@pytest.mark.parametrize(
    "encoded",
    [
        b"", b"\x05\xc0", b"\x00\xc0", b"\x02\xc0", b"\xc4\x01\x01\x80\xc0",
        rlp.encode([b"\1", b"\1", bytes(256), [[b"\1" * 20, []]]]),
        rlp.encode([b"\1", b"\1", bytes(256), [[b"\1" * 20, [b"\1" * 31], b""]]]),
        rlp.encode([b"\1", b"\1", bytes(256), [[b"\1" * 20, [b"\1" * 32] * 5, b""]]]),
        rlp.encode([b"\2", b"\1", bytes(256), []]),
        rlp.encode([b"\1", b"\0\1", bytes(256), []]),
    ],
)  # fmt: skip
def test_decode__anything_else__is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        receipts.decode(encoded)
