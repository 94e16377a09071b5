"""Meters' signed readings: the packed layout, and the digests that the production ledger computes for itself."""

import pytest

from contracts.settlement_batch import AttestedReading, BadBatch, decode_readings_attested, encode_readings
from contracts.typed_data import Reading, reading_digest, sign

KEY = (0xBE9).to_bytes(32, "big")
READING = Reading(meter_id=7, time=1_800_000_000, counter=42, import_wh=123_456, export_wh=654_321, power_w=-1500)
GREATEST = 2**64 - 1


@pytest.mark.parametrize(
    ("reading", "digest"),
    [
        (READING, "23304f222f25871d2a444f66f2ae5a4150c36397aa1fce1788bcf62382107820"),
        (
            Reading(2**32 - 1, GREATEST, GREATEST, GREATEST, GREATEST, -(2**63)),
            "73b1cdc25fc46d3d6e63efc865e5475189abc5932ae6b2d2f4f2e0ac90e9f918",
        ),
        (Reading(0, 0, 0, 0, 0, 0), "b04b3033ad6181044a4394413b738f2502bc1d7da3f9736b2a53ff2e9467a42a"),
    ],
    ids=["usual", "greatest", "zero"],
)
def test_reading_digest__known_readings__equals_the_ledgers(reading: Reading, digest: str) -> None:
    # tests/contracts/forge/LedgerSigned.t.sol asserts the same digests of ProductionLedger.readingDigest.
    assert reading_digest(reading).hex() == digest


def test_encode_readings__one_reading__is_the_documented_layout() -> None:
    signature = sign(reading_digest(READING), KEY)

    packed = encode_readings([(READING, signature)])

    fields = "00000007" + "000000006b49d200" + "000000000000002a" + "000000000001e240" + "000000000009fbf1"
    assert packed[:44].hex() == fields + "fffffffffffffa24"
    assert packed[44:76] == signature[:32]
    assert packed[76] >> 7 == signature[64] - 27
    assert bytes((packed[76] & 0x7F,)) + packed[77:] == signature[32:64]
    assert len(packed) == 108


def test_encode_readings__field_or_signature_out_of_range__refuses() -> None:
    signature = sign(reading_digest(READING), KEY)
    with pytest.raises(BadBatch):
        encode_readings([(Reading(1 << 32, 0, 0, 0, 0, 0), signature)])
    with pytest.raises(BadBatch):
        encode_readings([(READING, signature[:64])])


def test_decode_readings_attested__entries__are_read_back() -> None:
    entries = bytes.fromhex("00000007" + "000000006b49d200" + "000000000009fbf1") * 2

    assert decode_readings_attested(entries) == [AttestedReading(7, 1_800_000_000, 654_321)] * 2
    with pytest.raises(BadBatch):
        decode_readings_attested(entries[:-1])
