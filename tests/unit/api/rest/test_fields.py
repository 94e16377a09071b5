from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from api.rest.fields import Address, Answer, Hash, Natural, Request, Second, Signature, Whole
from contracts.typed_data import checksum

VITALIK = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"


class Sample(Request):
    account: Address = bytes(20)
    hash: Hash = bytes(32)
    signature: Signature = bytes(65)
    amount: Natural = 0
    price: Whole = 0
    time: Second = datetime(2026, 1, 1, tzinfo=UTC)


class Told(Answer):
    amount: Natural


@pytest.mark.parametrize("text", [VITALIK, VITALIK.lower(), "0x" + VITALIK[2:].upper()])
def test_address__any_honest_case__is_read_and_written_as_eip55(text: str) -> None:
    sample = Sample.model_validate({"account": text})
    assert sample.model_dump(mode="json")["account"] == VITALIK == checksum(sample.account)


@pytest.mark.parametrize(
    "fields",
    [
        {"account": VITALIK.replace("d8dA", "d8da")},
        {"account": VITALIK[:-1]},
        {"account": VITALIK[2:]},
        {"hash": "0x12"},
        {"hash": "12" * 32},
        {"signature": "0x" + "zz" * 65},
        {"amount": "-1"},
        {"amount": "01"},
        {"amount": ""},
        {"amount": "1e3"},
        {"amount": "1.0"},
        {"amount": " 1"},
        {"amount": "٣"},
        {"amount": True},
        {"amount": 1.5},
        {"amount": "9" * 79},
        {"amount": -1},
        {"amount": 10**78},
        {"price": -(10**78)},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"time": "1969-12-31T23:59:59Z"},
        {"time": -1},
        {"price": "-0"},
        {"price": "--1"},
        {"price": "+1"},
        {"time": "2026-01-01T00:00:00"},
        {"time": "2026-01-01T00:00:00.5Z"},
        {"stranger": 1},
    ],
    ids=str,
)
def test_request__malformed_field__is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(fields)


@pytest.mark.parametrize("text", ["0", "1", "9" * 78])
def test_natural__decimal_text__round_trips(text: str) -> None:
    assert Sample.model_validate({"amount": text}).model_dump(mode="json")["amount"] == text


def test_whole__negative__round_trips() -> None:
    assert Sample.model_validate({"price": "-1500"}).model_dump(mode="json")["price"] == "-1500"


def test_answer__database_numeric__is_written_as_decimal_string() -> None:
    assert Told.model_validate({"amount": Decimal(10**20)}).model_dump_json() == '{"amount":"100000000000000000000"}'


def test_second__other_offset__becomes_utc() -> None:
    sample = Sample.model_validate({"time": "2026-01-01T02:00:00+02:00"})
    assert sample.model_dump(mode="json")["time"] == "2026-01-01T00:00:00Z"
