from dataclasses import replace

from contracts.typed_data import Reading, address_of, reading_digest, sign
from node.audit.metered import check_readings, meter_slot
from node.metering.readings import SignedReading
from node.metering.service import Meter

KEY = (5).to_bytes(32, "big")
METER = Meter(1, b"\x01" * 20, "home", None, 1, "http", "d", "a", address_of(KEY), 10_000)
READINGS = [Reading(1, time, counter, 100 * counter, 0, 0) for counter, time in enumerate((0, 450, 900), 1)]


def signed(reading: Reading) -> SignedReading:
    return SignedReading.recovered(reading, sign(reading_digest(reading), KEY))


def test_check_readings__signed_and_in_order__all_hold() -> None:
    proof = check_readings(map(signed, READINGS), {1: METER})
    assert (list(proof.readings[1]), proof.findings) == (READINGS, ())


def test_check_readings__changed_after_signing__is_named_and_left_out() -> None:
    honest = signed(READINGS[1])
    forged = replace(honest, reading=replace(honest.reading, import_wh=1_000))
    proof = check_readings([signed(READINGS[0]), forged, signed(READINGS[2])], {1: METER})
    assert list(proof.readings[1]) == [READINGS[0], READINGS[2]]
    (finding,) = proof.findings
    assert (finding.kind, finding.subject) == ("reading", "meter 1 time 450 counter 2")


def test_check_readings__signature_of_no_key__is_named() -> None:
    broken = replace(signed(READINGS[0]), signature=bytes(65))
    (finding,) = check_readings([broken], {1: METER}).findings
    assert "v is 27 or 28" in finding.actual


def test_check_readings__register_falls__is_named() -> None:
    fallen = signed(replace(READINGS[1], import_wh=0))
    (finding,) = check_readings([signed(READINGS[0]), fallen], {1: METER}).findings
    assert finding.actual == "register-fell"


def test_meter_slot__readings_at_both_ends__gives_their_difference() -> None:
    slot = meter_slot(METER, READINGS, 0, 900, 1_800)
    assert (slot.state, slot.import_wh, slot.import_register_wh) == ("VALIDATED", 200, 300)
    assert meter_slot(METER, READINGS[:2], 0, 900, 1_800).state == "MISSING"
