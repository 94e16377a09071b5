"""The market's calendar: days of 23, 24 and 25 hours, and gates by the clock on the wall."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from node.market import days
from node.market.orders import gate_opens_at
from tests.unit.node.market.orders import RULES

BERLIN = replace(RULES, time_zone="Europe/Berlin", day_ahead_gate_s=12 * 3_600)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("zone", "day", "slots", "begins"),
    [
        ("Europe/Berlin", date(2025, 3, 30), 92, "2025-03-30T00:00+01:00"),
        ("Europe/Berlin", date(2025, 10, 26), 100, "2025-10-26T00:00+02:00"),
        ("Europe/Berlin", date(2025, 6, 17), 96, "2025-06-17T00:00+02:00"),
        ("UTC", date(2025, 3, 30), 96, "2025-03-30T00:00+00:00"),
        # Half an hour of summer time; a midnight that the clocks skip; a day with two midnights.
        ("Australia/Lord_Howe", date(2025, 4, 6), 98, "2025-04-06T00:00+11:00"),
        ("Africa/Cairo", date(2025, 4, 25), 92, "2025-04-25T01:00+03:00"),
        ("America/Havana", date(2025, 11, 2), 100, "2025-11-02T00:00-04:00"),
    ],
)
def test_slots_of__day__has_as_many_as_its_hours(zone: str, day: date, slots: int, begins: str) -> None:
    rules = replace(RULES, time_zone=zone)

    begins_at = days.begins_at(rules, day)
    starts = days.slots_of(rules, begins_at)

    assert begins_at == at(begins)
    assert len(starts) == slots
    assert {days.day_of(rules, start) for start in starts} == {begins_at}
    assert days.day_of(rules, starts[0] - 900) < begins_at < days.day_of(rules, starts[-1] + 900)
    assert days.day_after(rules, starts[-1]) == starts[-1] + 900


def test_slots_of__days_that_begin_within_a_slot__leave_none_out_and_none_twice() -> None:
    rules = replace(RULES, time_zone="Asia/Kathmandu", slot_s=3_600)

    first = days.slots_of(rules, days.begins_at(rules, date(2025, 6, 1)))
    second = days.slots_of(rules, days.day_after(rules, first[0]))

    assert first[-1] + 3_600 == second[0]
    assert len(first) == 24


@pytest.mark.parametrize(
    ("slot", "opens", "closes"),
    [
        # Noon is noon, whatever the clocks do in between.
        ("2025-03-30T10:00+02:00", "2025-03-28T12:00+01:00", "2025-03-29T12:00+01:00"),
        ("2025-03-31T10:00+02:00", "2025-03-29T12:00+01:00", "2025-03-30T12:00+02:00"),
        ("2025-10-26T00:00+02:00", "2025-10-24T12:00+02:00", "2025-10-25T12:00+02:00"),
        ("2025-10-26T23:45+01:00", "2025-10-24T12:00+02:00", "2025-10-25T12:00+02:00"),
        ("2025-10-27T00:00+01:00", "2025-10-25T12:00+02:00", "2025-10-26T12:00+01:00"),
    ],
)
def test_session__slot_around_a_change_of_clocks__opens_and_closes_at_noon(slot: str, opens: str, closes: str) -> None:
    assert days.session_opens_at(BERLIN, at(slot)) == at(opens) == gate_opens_at(BERLIN, at(slot))
    assert days.session_closes_at(BERLIN, at(slot)) == at(closes)


def test_last_session__before_and_at_the_gate__is_of_today_and_of_tomorrow() -> None:
    noon = at("2025-10-25T12:00+02:00")

    assert days.last_session(BERLIN, noon - 0.5) == at("2025-10-25T00:00+02:00")
    assert days.last_session(BERLIN, noon) == at("2025-10-26T00:00+02:00")
    assert days.last_session(RULES, noon) is None


def test_session__market_without_one__has_no_gate() -> None:
    assert days.session_closes_at(RULES, 0) is days.session_opens_at(RULES, 0) is None


def test_date_of__late_evening_in_utc__is_the_next_day_in_berlin() -> None:
    late = int(datetime(2025, 6, 17, 22, 30, tzinfo=UTC).timestamp())

    assert days.date_of(RULES, late) == date(2025, 6, 17)
    assert days.date_of(BERLIN, late) == date(2025, 6, 18)
