"""The gateway's chains, what is handed in, and what is said of an outage."""

import logging
from functools import partial

import pytest

from contracts.typed_data import Reading, reading_digest, recover
from node.metering import devices, entries
from node.metering.continuity import Baseline
from node.metering.device_types import BadDeviceData, Sample
from node.metering.entries import BaselineEntry, Entry, FaultEntry, ReadingEntry
from node.metering.fault_kinds import FaultKind
from node.metering.lines import NoAnswer
from node.metering.meter import MISSES, Gateway, Inbox
from node.metering.outages import Outages
from node.metering.service import Meter

KEY = bytes(31) + b"\x09"
DEVICE = devices.load("tasmota-energy")
METER = Meter(3, bytes(20), "home", None, 1, "mqtt", "tasmota-energy", "t", bytes(20), 10_000)


def take(gateway: Gateway, sample: Sample, now_s: float) -> list[Entry]:
    return gateway.take(METER, DEVICE, sample, now_s)


def reading(entries: list[Entry]) -> Reading:
    (entry,) = [entry for entry in entries if isinstance(entry, ReadingEntry)]
    return entry.signed().reading


def test_take__unsigned_device__continues_the_stored_counter_at_the_clocks_time() -> None:
    gateway = Gateway(KEY)
    gateway.resume({3: Reading(3, 1_000, 41, 0, 0, 0)})
    (entry,) = take(gateway, Sample(import_wh=5), 1_060.9)
    assert isinstance(entry, ReadingEntry)
    signed = entry.signed()
    assert signed.reading == Reading(3, 1_060, 42, 5, 0, 0)
    assert recover(reading_digest(signed.reading), signed.signature) == gateway.address == signed.signer


def test_take__device_with_own_time_and_counter__keeps_them() -> None:
    said = reading(take(Gateway(KEY), Sample(time=900, counter=77), 1_000))
    assert (said.time, said.counter) == (900, 77)


def test_take__devices_counter_starts_again__the_chains_does_not() -> None:
    gateway = Gateway(KEY)
    take(gateway, Sample(counter=77), 1_000)
    assert reading(take(gateway, Sample(counter=1), 1_010)).counter == 78


def test_take__time_not_passed__says_nothing_and_spends_no_counter() -> None:
    gateway = Gateway(KEY)
    take(gateway, Sample(), 1_000)
    assert take(gateway, Sample(), 1_000.7) == []
    assert reading(take(gateway, Sample(), 1_001)).counter == 2


def test_take__clock_a_slot_ahead__is_named_and_not_signed() -> None:
    assert take(Gateway(KEY, 900), Sample(time=2_000), 1_100) == [
        FaultEntry(3, FaultKind.CLOCK_DRIFT, 1_100, {"ahead_s": 900})
    ]


def test_resume__known_meter__does_not_go_back() -> None:
    gateway = Gateway(KEY)
    take(gateway, Sample(), 2_000)
    gateway.resume({3: Reading(3, 1_000, 0, 0, 0, 0)})
    assert take(gateway, Sample(), 1_500) == []


def test_take__first_serial_number__is_remembered_before_the_reading() -> None:
    entries = take(Gateway(KEY), Sample(import_wh=5, serial="A"), 1_000)
    assert entries[0] == BaselineEntry(3, 1_000, 0, 0, "A", "identified")
    assert reading(entries).import_wh == 5


def test_resume__confirmed_baseline__is_taken_up_once() -> None:
    gateway = Gateway(KEY)
    gateway.resume({3: Reading(3, 1_000, 1, 500, 0, 0)}, {3: (900, Baseline(serial="A"))})
    replaced = take(gateway, Sample(import_wh=7, serial="B"), 1_010)
    assert [entry.kind for entry in replaced if isinstance(entry, FaultEntry)] == [FaultKind.REPLACED]
    gateway.resume({}, {3: (1_011, Baseline(493, 0, "B"))})
    assert reading(take(gateway, Sample(import_wh=8, serial="B"), 1_020)).import_wh == 501
    gateway.resume({}, {3: (900, Baseline(serial="A"))})
    assert reading(take(gateway, Sample(import_wh=9, serial="B"), 1_030)).import_wh == 502


async def test_hand_in__fault_that_goes_on__is_told_now_and_then_and_acknowledged_always() -> None:
    now = [0.0]
    inbox, gateway, acknowledged = Inbox(monotonic=lambda: now[0]), Gateway(KEY), list[int]()
    gateway.resume({3: Reading(3, 1_000, 1, 500, 0, 0)})
    for step in range(4):
        now[0] = step * 25.0
        stored = partial(acknowledged.append, step)
        await inbox.hand_in(gateway, METER, DEVICE, Sample(import_wh=1), 1_010.0 + step, stored)
    told = []
    for delivery in await inbox.take(9):
        told.append(delivery.entry)
        if delivery.stored is not None:
            delivery.stored()
    assert [entry.kind for entry in told if isinstance(entry, FaultEntry)] == [FaultKind.REGISTER_FELL] * 2
    assert len(acknowledged) == 4


async def test_tell__no_answer_and_nonsense__are_told_apart() -> None:
    inbox = Inbox()
    for _ in range(MISSES):
        await inbox.tell(METER, NoAnswer("nothing came"), 5)
    await inbox.tell(METER, BadDeviceData("not a number"), 6)
    assert [delivery.entry for delivery in await inbox.take(9)] == [
        FaultEntry(3, FaultKind.SILENT, 5, {"error": "nothing came"}),
        FaultEntry(3, FaultKind.BAD_DATA, 6, {"error": "not a number"}),
    ]
    inbox.forget(3)
    for time_s in range(7, 7 + MISSES):
        assert inbox.is_empty
        await inbox.tell(METER, NoAnswer("again"), time_s)
    assert len(await inbox.take(9)) == 1


def test_outages__repeated_failures__are_named_once_and_tried_less_often(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    outages = Outages("meter", monotonic=lambda: now[0])
    assert [outages.failed("m1", "gone") for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert not outages.is_due("m1") and outages.is_due("m2")
    now[0] = 30
    assert outages.is_due("m1")
    outages.worked("m1")
    outages.worked("m1")
    assert [record.getMessage() for record in caplog.records] == [
        "meter lost name=m1 error=gone",
        "meter back name=m1",
    ]


@pytest.mark.parametrize(
    "sample",
    [
        Sample(import_wh=10**300),
        Sample(export_wh=2**63),
        Sample(power_w=-(10**40)),
        Sample(counter=2**64),
        Sample(time=-5),
        Sample(import_wh=-1),
    ],
)
def test_take__numbers_that_no_meter_has__are_named_and_can_be_kept(sample: Sample) -> None:
    (entry,) = take(Gateway(KEY), sample, 1_000)
    assert isinstance(entry, FaultEntry)
    assert entries.decode(entries.encode(entry)) == entry


async def test_tell__what_a_device_chose__cannot_harm_the_database() -> None:
    inbox = Inbox()
    await inbox.tell(METER, BadDeviceData("said \x00\ud800\x1b[2J" + "x" * 9_000), 5)
    (delivery,) = await inbox.take(1)
    assert isinstance(delivery.entry, FaultEntry)
    assert delivery.entry.evidence == {"error": "said [2J" + "x" * 292}
