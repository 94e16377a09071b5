"""What Solidity writes comes out in columns; anything else comes out whole, with its reason."""

from typing import Any

import msgspec
import pytest

from indexer.decode import decode
from indexer.errors import Disagreement
from indexer.event import Event
from indexer.logs import Logs
from tests.unit.indexer.logs import event, log, lookup

TRANSFER = event("Transfer", ("address", "from", True), ("address", "to", True), ("uint256", "value", False))
NOTE = event("Note", ("uint48", "id", True), ("bytes", "body", False), ("bool", "last", False))
TEXT = event("Text", ("string", "body", False))
SMALL = event("Small", ("int64", "a", False), ("uint16", "b", False), ("bytes4", "c", False))
VALUES = {"from": "0x" + "aa" * 20, "to": "0x" + "bb" * 20, "value": 7}


def test_decode__static_event__gives_columns() -> None:
    answers = [log(TRANSFER, {**VALUES, "value": v}, index=i) for i, v in enumerate((1, 2**255))]
    decoded = decode(answers, lookup(TRANSFER))
    (rows,) = decoded.rows
    sender, recipient, value = (column for column in rows.values if not isinstance(column, list))
    assert decoded.undecoded == ()
    assert rows.log_index.tolist() == [0, 1]
    assert sender[0].tobytes() == b"\xaa" * 20
    assert recipient[1].tobytes() == b"\xbb" * 20
    assert [int.from_bytes(word.tobytes(), "big") for word in value] == [1, 2**255]


def test_decode__dynamic_event__gives_its_bytes() -> None:
    bodies = [b"", b"x" * 31, b"y" * 33]
    answers = [log(NOTE, {"id": 5, "body": body, "last": True}, index=i) for i, body in enumerate(bodies)]
    (rows,) = decode(answers, lookup(NOTE)).rows
    assert rows.values[1] == bodies


def test_decode__negative_and_short_types__keep_their_values() -> None:
    (rows,) = decode([log(SMALL, {"a": -3, "b": 65_535, "c": b"abcd"})], lookup(SMALL)).rows
    a, b, c = (column for column in rows.values if not isinstance(column, list))
    assert (a.tolist(), b.tolist(), c[0].tobytes()) == ([-3], [65_535], b"abcd")


@pytest.mark.parametrize(
    ("of", "values", "changes", "reason"),
    [
        (TRANSFER, VALUES, {"topics": ("0x" + TRANSFER.topic.hex(),)}, "3 topics, not 1"),
        (TRANSFER, VALUES, {"data": "0x"}, "32 bytes of data, not 0"),
        (TRANSFER, VALUES, {"data": "0x" + "00" * 64}, "32 bytes of data, not 64"),
        (NOTE, {"id": 1, "body": b"", "last": True}, {"data": "0x" + "ff" * 64}, "body starts at byte"),
        (NOTE, {"id": 1, "body": b"", "last": True}, {"data": "0x" + "00" * 31 + "40" + "00" * 31 + "02" + "00" * 32},
         "last is not a valid bool"),
        (TEXT, {"body": "ok"}, {"data": "0x" + "00" * 31 + "20" + "00" * 31 + "01" + "ff" + "00" * 31}, "not text"),
        (TEXT, {"body": "ok"}, {"data": "0x" + "00" * 31 + "20" + "00" * 31 + "ff"}, "body ends at byte"),
        (SMALL, {"a": 1, "b": 1, "c": b"abcd"}, {"data": "0x" + "01" * 96}, "a is not a valid int64"),
    ],
)  # fmt: skip
def test_decode__malformed_log__is_kept_with_its_reason(
    of: Event, values: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    good, bad = log(of, values, index=0), log(of, values, index=1, **changes)
    decoded = decode([good, bad], lookup(of))
    assert [len(rows) for rows in decoded.rows] == [1]
    assert [u.log for u in decoded.undecoded] == list(Logs.of([bad]))
    assert reason in decoded.undecoded[0].reason


def test_decode__unknown_event_or_address__is_kept() -> None:
    strange = [log(NOTE, {"id": 1, "body": b"", "last": True}), log(TRANSFER, VALUES, topics=())]
    decoded = decode(strange, lookup(TRANSFER))
    assert decoded.rows == ()
    assert len(decoded.undecoded) == 2


def test_decode__argument_of_unsupported_type__is_kept() -> None:
    price = event("Price", ("fixed128x18", "price", False))
    decoded = decode([log(price, {"price": 1})], lookup(price))
    assert "fixed128x18" in decoded.undecoded[0].reason


def test_decode__not_hexadecimal__is_the_endpoints_fault() -> None:
    bad = msgspec.structs.replace(log(TRANSFER, VALUES), data="0x" + "zz" * 32)
    with pytest.raises(Disagreement):
        decode([bad], lookup(TRANSFER))


@pytest.mark.parametrize(
    "changes",
    [
        {"transaction_hash": "0x12"},
        {"topics": ("0x" + TRANSFER.topic.hex(), "0x" + "00" * 31, "0x" + "00" * 33)},
        {"topics": ("0x" + "99" * 32,) * 5},
        {"topics": ("0x" + "99" * 31,)},
        {"topics": (), "data": "0xzz"},
        {"topics": (), "address": "0x12"},
    ],
    ids=str,
)
def test_decode__no_log_at_all__is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Disagreement):
        decode([log(TRANSFER, VALUES, **changes)], lookup(TRANSFER))


def test_decode__widths_that_make_up_for_each_other__are_refused() -> None:
    short = log(TRANSFER, VALUES, index=0, transaction_hash="0x" + "12" * 31)
    long = log(TRANSFER, VALUES, index=1, transaction_hash="0x" + "12" * 33)
    with pytest.raises(Disagreement):
        decode([short, long], lookup(TRANSFER))
