"""The JSON form of a signed reading."""

import pytest

from contracts.typed_data import Reading, address_of, reading_digest, sign
from node.metering import payload
from node.metering.devices import BadDeviceData

KEY = bytes(31) + b"\x05"
READING = Reading(7, 1_718_000_000, 4, 1_000, 2_000, -300)


def test_decode__what_was_encoded__comes_back_with_its_signer() -> None:
    signed = payload.decode(payload.encode(READING, sign(reading_digest(READING), KEY)))
    assert (signed.reading, signed.signer) == (READING, address_of(KEY))


def test_decode__changed_register__has_another_signer() -> None:
    content = payload.encode(READING, sign(reading_digest(READING), KEY)).replace(b"2000", b"2001")
    assert payload.decode(content).signer != address_of(KEY)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"meter_id":1', b"\xff", b" " * 5_000])
def test_decode__anything_else__is_an_error(content: bytes) -> None:
    with pytest.raises(BadDeviceData):
        payload.decode(content)


@pytest.mark.parametrize("content", [b"{", b"[" * 4_000, b"\xff\xfe", b"NaN", b"-Infinity"])
def test_decode_json__broken__is_an_error(content: bytes) -> None:
    with pytest.raises(BadDeviceData):
        payload.decode_json(content)
