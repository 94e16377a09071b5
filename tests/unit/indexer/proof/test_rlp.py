"""Recursive length prefix against the published vectors, and what is not canonical."""

import pytest

from indexer.proof import rlp

LOREM = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"
# Source: https://github.com/ethereum/tests, RLPTests/rlptest.json
VECTORS: list[tuple[rlp.Item, str]] = [
    (b"", "80"),
    (b"\x00", "00"),
    (b"\x01", "01"),
    (b"\x7f", "7f"),
    (b"dog", "83646f67"),
    (LOREM[:-1], "b7" + LOREM[:-1].hex()),
    (LOREM, "b838" + LOREM.hex()),
    ([], "c0"),
    ([b"dog", b"god", b"cat"], "cc83646f6783676f6483636174"),
    ([b"zw", [b"\4"], b"\1"], "c6827a77c10401"),
    ([[[], []], []], "c4c2c0c0c0"),
    ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
    (
        [b"asdf", b"qwer", b"zxcv", b"asdf", b"qwer", b"zxcv", b"asdf", b"qwer", b"zxcv", b"asdf", b"qwer"],
        "f784617364668471776572847a78637684617364668471776572847a78637684617364668471776572847a78637684617364668471776572",
    ),
    ([[b"asdf", b"qwer", b"zxcv"]] * 4, "f840" + "cf84617364668471776572847a786376" * 4),
]


@pytest.mark.parametrize(("item", "encoded"), VECTORS)
def test_encode__published_vectors__are_met_both_ways(item: rlp.Item, encoded: str) -> None:
    assert rlp.encode(item).hex() == encoded
    assert rlp.decode(bytes.fromhex(encoded)) == item


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "80"), (1, "01"), (127, "7f"), (128, "8180"), (1_000, "8203e8"), (2**64, "89010000000000000000")],
)
def test_number__published_vectors__are_met(value: int, encoded: str) -> None:
    assert rlp.encode(rlp.number(value)).hex() == encoded
    assert rlp.whole(rlp.decode(bytes.fromhex(encoded))) == value


@pytest.mark.parametrize(
    "encoded",
    [
        "", "8100", "817f", "b800", "b837" + "61" * 55, "b90038" + "61" * 56, "f800", "f803c0c0c0",
        "83646f", "c883646f67", "c0c0", "c2", "ff" + "ff" * 8, "bf" + "ff" * 8, "c3b800", "b8",
    ],
)  # fmt: skip
def test_decode__not_canonical_or_cut_off__is_refused(encoded: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rlp.decode(bytes.fromhex(encoded))


def test_decode__lists_without_end_in_each_other__are_refused() -> None:
    item: rlp.Item = []
    for _ in range(100):
        item = [item]
    with pytest.raises(ValueError, match="too deep"):
        rlp.decode(rlp.encode(item))


def test_whole__leading_zero__is_refused() -> None:
    with pytest.raises(ValueError, match="leading zeros"):
        rlp.whole(rlp.decode(b"\x00"))
