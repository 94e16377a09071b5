"""Readings: what extends a meter's chain, and the register at a slot boundary."""

import pytest

from contracts.typed_data import Reading, address_of, reading_digest, sign
from node.metering.readings import Energy, Reason, Register, SignedReading, State, energy_between, register_at, validate

KEY = bytes(31) + b"\x07"
METER = address_of(KEY)
NOW_S = 1_718_000_000
SLOT_S = 900
FUSE_W = 10_000


def reading(time: int = NOW_S, counter: int = 10, import_wh: int = 1_000, export_wh: int = 50) -> Reading:
    return Reading(3, time, counter, import_wh, export_wh, 200)


def checked(previous: Reading | None, said: Reading, key: bytes = KEY) -> Reason | None:
    signed = SignedReading.recovered(said, sign(reading_digest(said), key))
    return validate(previous, signed, key=METER, fuse_w=FUSE_W, now_s=NOW_S, slot_s=SLOT_S)


def test_validate__first_reading__is_valid_whatever_its_registers() -> None:
    assert checked(None, reading(import_wh=987_654_321)) is None


def test_validate__other_key__is_refused() -> None:
    assert checked(None, reading(), key=bytes(31) + b"\x08") is Reason.WRONG_SIGNER


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reading(NOW_S + 60, 11, 1_000), None),
        (reading(NOW_S + SLOT_S - 1, 11), None),
        (reading(NOW_S + SLOT_S, 11), Reason.CLOCK_AHEAD),
        (reading(NOW_S + 60, 10), Reason.COUNTER_NOT_GROWING),
        (reading(NOW_S, 11), Reason.TIME_NOT_GROWING),
        (reading(NOW_S + 60, 11, 999), Reason.REGISTER_FELL),
        (reading(NOW_S + 60, 11, 1_000, 49), Reason.REGISTER_FELL),
        (reading(2**62, 11), Reason.OUT_OF_RANGE),
        (reading(NOW_S + 60, 2**63), Reason.OUT_OF_RANGE),
        (reading(NOW_S + 60, 11, 2**63), Reason.OUT_OF_RANGE),
    ],
)
def test_validate__after_a_reading__names_what_is_wrong(said: Reading, expected: Reason | None) -> None:
    assert checked(reading(), said) is expected


def test_validate__fuse__lets_through_what_it_carries_in_the_time_and_no_more() -> None:
    # 359 s and one of resolution at 10 kW are 1,000 Wh; the register may add 1 Wh.
    assert checked(reading(), reading(NOW_S + 359, 11, 2_001)) is None
    assert checked(reading(), reading(NOW_S + 359, 11, 2_002)) is Reason.OVER_FUSE
    assert checked(reading(), reading(NOW_S + 359, 11, 1_000, 1_052)) is Reason.OVER_FUSE


def test_register_at__reading_on_the_boundary__is_exact_even_after_a_gap() -> None:
    on_time = reading(import_wh=1_234)
    assert register_at(on_time, on_time, NOW_S, 60) == Register(1_234, 50, State.VALIDATED)
    assert register_at(on_time, None, NOW_S, 60) == Register(1_234, 50, State.VALIDATED)


def test_register_at__between_readings__interpolates_and_floors() -> None:
    before, after = reading(NOW_S - 100, 1, 1_000, 0), reading(NOW_S + 200, 2, 1_010, 2)
    assert register_at(before, after, NOW_S, 300) == Register(1_003, 0, State.VALIDATED)


def test_register_at__wider_gap__is_estimated() -> None:
    before, after = reading(NOW_S - 100, 1, 1_000, 0), reading(NOW_S + 200, 2, 1_010, 2)
    assert register_at(before, after, NOW_S, 299).state is State.ESTIMATED


def test_register_at__a_side_missing__is_missing_with_the_last_register_known() -> None:
    assert register_at(reading(NOW_S - 1), None, NOW_S, 60) == Register(1_000, 50, State.MISSING)
    assert register_at(None, reading(NOW_S + 1), NOW_S, 60) == Register(0, 0, State.MISSING)
    assert register_at(None, None, NOW_S, 60) == Register(0, 0, State.MISSING)


def test_energy_between__first_slot_of_a_meter__is_missing_and_nothing() -> None:
    start, end = register_at(None, reading(NOW_S + 1), NOW_S, 60), Register(1_000, 0, State.VALIDATED)
    assert energy_between(start, end) == Energy(0, 0, State.MISSING)


def test_energy_between__one_end_estimated__is_estimated() -> None:
    energy = energy_between(Register(5, 1, State.VALIDATED), Register(9, 1, State.ESTIMATED))
    assert energy == Energy(4, 0, State.ESTIMATED)
