"""Green Button files: intervals, units, directions, daylight saving; and hostile XML."""

from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from contracts.typed_data import Reading
from node.metering import green_button
from node.metering.intervals import BadIntervals, Interval, gaps_of, readings_of

T = 1_743_289_200  # 2025-03-30T00:00 in Berlin, the day of 23 hours


def entry(kind: str, content: str, *links: tuple[str, str]) -> str:
    said = "".join(f'<link rel="{relation}" href="{address}"/>' for relation, address in links)
    return f"<entry>{said}<content><{kind} xmlns='http://naesb.org/espi'>{content}</{kind}></content></entry>"


def feed(*entries: str) -> bytes:
    return f"<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'>{''.join(entries)}</feed>".encode()


def kind(uom: int = 72, tens: int = 0, flow: int = 1, name: str = "1") -> str:
    content = (
        f"<flowDirection>{flow}</flowDirection><powerOfTenMultiplier>{tens}</powerOfTenMultiplier><uom>{uom}</uom>"
    )
    return entry("ReadingType", content, ("self", f"/ReadingType/{name}"))


def meter(number: str, reading_type: str) -> str:
    return entry("MeterReading", "", ("self", f"/MeterReading/{number}"), ("related", f"/ReadingType/{reading_type}"))


def block(*intervals: tuple[int, int, int], number: str = "1") -> str:
    said = "".join(
        f"<IntervalReading><timePeriod><duration>{duration}</duration><start>{start}</start></timePeriod>"
        f"<value>{value}</value></IntervalReading>"
        for start, duration, value in intervals
    )
    up = f"/MeterReading/{number}/IntervalBlock"
    return entry("IntervalBlock", said, ("up", up), ("self", f"{up}/1"))


def test_parse__multiplier__scales_exactly() -> None:
    assert green_button.parse(feed(kind(tens=3), block((T, 900, 5)))) == [Interval(T, 900, Fraction(5_000))]
    assert green_button.parse(feed(kind(tens=-3), block((T, 900, 5)))) == [Interval(T, 900, Fraction(1, 200))]


def test_parse__several_types__each_block_has_its_own_and_power_is_left_out() -> None:
    content = feed(
        kind(name="in"), kind(flow=19, name="out"), kind(uom=38, name="power"),
        meter("1", "in"), meter("2", "out"), meter("3", "power"),
        block((T, 900, 10), number="1"), block((T, 900, 20), number="2"), block((T, 900, 99), number="3"),
    )  # fmt: skip
    assert green_button.parse(content) == [Interval(T, 900, Fraction(10)), Interval(T, 900, Fraction(20), True)]


def test_parse__spring_day__has_92_quarters_that_end_at_midnight() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    found = green_button.parse(feed(kind(), block(*((T + 900 * place, 900, 25) for place in range(92)))))
    readings = readings_of(7, found, import_wh=1_000)
    assert datetime.fromtimestamp(readings[0].time, UTC).astimezone(berlin).isoformat() == "2025-03-30T00:00:00+01:00"
    assert datetime.fromtimestamp(readings[-1].time, UTC).astimezone(berlin).isoformat() == "2025-03-31T00:00:00+02:00"
    assert (len(readings), readings[-1].import_wh, gaps_of(found)) == (93, 1_000 + 92 * 25, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<feed", "not XML"),
        (b"", "not XML"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><feed>&a;</feed>', "document type declaration"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><feed/>', "document type declaration"),
        (b"<a>" * 100 + b"</a>" * 100, "nested more than"),
        (feed(), "no IntervalReading of energy"),
        (feed(kind(uom=38), block((T, 900, 5))), "no IntervalReading of energy"),
        (feed(kind(tens=99), block((T, 900, 5))), "powerOfTenMultiplier 99"),
        (feed(kind(flow=4), block((T, 900, 5))), "flowDirection 4"),
        (feed(block((T, 900, 5))), "belongs to no ReadingType"),
        (feed(kind(), block((T, 900, 5))).replace(b"<value>5<", b"<value>five<"), "value is 'five'"),
        (
            feed(kind(), block((T, 900, 5))).replace(b"<start>", b"<begin>").replace(b"</start>", b"</begin>"),
            "no start",
        ),
    ],
    ids=[
        "cut",
        "empty",
        "entity",
        "external",
        "deep",
        "nothing",
        "power",
        "tens",
        "net",
        "untyped",
        "word",
        "no-start",
    ],
)
def test_parse__other_files__are_refused_with_the_reason(content: bytes, said: str) -> None:
    with pytest.raises(BadIntervals, match=said):
        green_button.parse(content)


def test_readings_of__remainders__are_carried() -> None:
    third = [Interval(T + 900 * place, 900, Fraction(1, 3)) for place in range(6)]
    assert [reading.import_wh for reading in readings_of(1, third)] == [0, 0, 0, 1, 1, 1, 2]


def test_readings_of__two_directions_of_different_lengths__meet_at_every_end() -> None:
    found = [Interval(T, 1_800, Fraction(100)), Interval(T, 900, Fraction(7), is_export=True)]
    assert readings_of(1, found, 5, 6) == [
        Reading(1, T, T, 5, 6, 0),
        Reading(1, T + 900, T + 900, 55, 13, 172),
        Reading(1, T + 1_800, T + 1_800, 105, 13, 200),
    ]


def test_readings_of__same_interval_twice__counts_once_and_a_gap_is_told() -> None:
    found = [Interval(T, 900, Fraction(5)), Interval(T, 900, Fraction(5)), Interval(T + 2_700, 900, Fraction(6))]
    assert [(said.time - T, said.import_wh) for said in readings_of(1, found)] == [
        (0, 0), (900, 5), (2_700, 5), (3_600, 11),
    ]  # fmt: skip
    assert gaps_of(found) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([Interval(T, 900, Fraction(5)), Interval(T + 450, 900, Fraction(5))], "overlap"),
        ([Interval(T, 900, Fraction(5)), Interval(T, 900, Fraction(6))], "overlap"),
        ([Interval(T, 0, Fraction(5))], "lasts 0 s"),
        ([Interval(T, 900, Fraction(-5))], "with -5 Wh"),
    ],
)
def test_readings_of__contradictions__are_refused(wrong: list[Interval], said: str) -> None:
    with pytest.raises(BadIntervals, match=said):
        readings_of(1, wrong)
