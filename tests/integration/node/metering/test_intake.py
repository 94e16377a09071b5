"""Entries in their order, positions of buffers, appliances by slot; and readings that were refused before."""

import uuid
from collections.abc import AsyncIterator

import pytest

from contracts.typed_data import Reading, address_of, reading_digest, sign
from indexer.db import Connection, open_pool, transaction
from node.metering import appliances, baselines, intake, service
from node.metering.acceptance import accept
from node.metering.continuity import Baseline
from node.metering.entries import BaselineEntry, Entry, FaultEntry, ReadingEntry
from node.metering.fault_kinds import FaultKind
from node.metering.readings import Reason, SignedReading
from node.metering.service import Meter, Taken

pytestmark = pytest.mark.integration

KEY = bytes(31) + b"\x07"
T = 1_718_000_100 // 900 * 900


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    async with open_pool(database_url, size=2) as pool, transaction(pool) as connection:
        for meter_id, kind in ((1, "home"), (2, "home"), (3, "appliance")):
            where = f"gridtrace/meters/{meter_id}/reading"
            meter = Meter(
                meter_id, bytes(20), kind, None, 1, "mqtt", "gridtrace-signed", where, address_of(KEY), 50_000,
                part_of=1 if kind == "appliance" else None,
            )  # fmt: skip
            await service.register_meter(connection, meter)
        yield connection


def signed(meter_id: int, time: int, import_wh: int) -> SignedReading:
    said = Reading(meter_id, time, time, import_wh, 0, 0)
    return SignedReading.recovered(said, sign(reading_digest(said), KEY))


async def test_take_entries__mixed__are_stored_and_the_outcomes_are_in_order(db: Connection) -> None:
    entries: list[Entry] = [
        ReadingEntry.of(signed(1, T, 10)),
        ReadingEntry.of(signed(2, T, 20)),
        BaselineEntry(1, T + 60, 5, 0, "A", "rolled-over"),
        FaultEntry(1, FaultKind.ROLLED_OVER, T + 60, {}),
        ReadingEntry.of(signed(1, T + 60, 15)),
    ]
    outcomes = await intake.take_entries(db, entries, now_s=T + 100, slot_s=900)
    assert [(one.meter_id, one.time, one.state) for one in outcomes] == [
        (1, T, Taken.VALIDATED),
        (2, T, Taken.VALIDATED),
        (1, T + 60, Taken.VALIDATED),
    ]
    assert await baselines.newest(db) == {1: (T + 60, Baseline(5, 0, "A"))}
    again = await intake.take_entries(db, entries, now_s=T + 100, slot_s=900)
    assert {one.state for one in again} == {Taken.DUPLICATE}
    assert await db.fetchval("select count(*) from telemetry.meter_baselines") == 1


async def test_position__begins_at_nought_and_only_goes_forward(db: Connection) -> None:
    buffer = uuid.uuid4()
    assert await intake.position(db, buffer) == 0
    await intake.move(db, buffer, 700)
    await intake.move(db, buffer, 600)
    assert await intake.position(db, buffer) == 700


async def test_accept__large_batch_with_bad_ones_between__keeps_the_order_of_outcomes(db: Connection) -> None:
    readings = [signed(1, T + place, 10 + place) for place in range(1_200)]
    readings[700] = signed(1, T + 700, 1)
    readings[3] = signed(9, T + 3, 13)
    outcomes = await accept(db, readings, now_s=T + 2_000, slot_s=900)
    assert [(one.time - T, one.reason) for one in outcomes if one.state is not Taken.VALIDATED] == [
        (3, Reason.UNKNOWN_METER),
        (700, Reason.REGISTER_FELL),
    ]
    assert [one.time for one in outcomes] == [T + place for place in range(1_200)]
    states = await db.fetch("select state, count(*) from telemetry.readings group by state order by state")
    assert [tuple(row) for row in states] == [("REFUSED", 1), ("VALIDATED", 1_198)]
    assert (await service.latest(db, [1]))[1].import_wh == 10 + 1_199
    stored = await service.raw_readings(db, 1, T, T + 5_000)
    assert [one for one in readings if one.reading.time not in (T + 3, T + 700)] == stored


async def test_accept__nothing__is_nothing(db: Connection) -> None:
    assert await accept(db, [], now_s=T, slot_s=900) == []


async def test_account__appliances__each_slot_once_that_is_over(db: Connection) -> None:
    times = {"slot_s": 900, "grace_s": 300, "gap_s": 1_800}
    await accept(db, [signed(3, T + 300 * place, 100 * place) for place in range(9)], now_s=T + 3_000, slot_s=900)
    assert await appliances.account(db, T + 900 + 299, **times) == 1
    assert await appliances.account(db, T + 900 + 300, **times) == 1
    assert await appliances.account(db, T + 2_700, **times) == 1
    assert await appliances.account(db, T + 2_700, **times) == 0
    found = await service.energy(db, 3, T, T + 1_800, 900)
    assert [(slot.delivery_start - T, slot.import_wh) for slot in found] == [(0, 300), (900, 300)]
    assert [row["meter_id"] for row in await db.fetch("select distinct meter_id from telemetry.slot_energy")] == [3]


async def states(db: Connection, *readings: SignedReading) -> list[Taken]:
    return [one.state for one in await accept(db, readings, now_s=T + 9_000, slot_s=900)]


async def test_accept__overtaken_readings__are_taken_in_between_once(db: Connection) -> None:
    first, second, third, fourth = (signed(1, T + 100 * place, 10 * place) for place in range(4))
    assert await states(db, first, fourth) == [Taken.VALIDATED] * 2
    assert await states(db, third, second, third) == [Taken.VALIDATED, Taken.VALIDATED, Taken.DUPLICATE]
    assert await states(db, second, third) == [Taken.DUPLICATE] * 2
    assert await service.raw_readings(db, 1, T, T + 400) == [first, second, third, fourth]
    assert (await service.latest(db, [1]))[1] == fourth.reading


async def test_accept__overtaken_reading_that_contradicts_its_neighbours__is_refused(db: Connection) -> None:
    await states(db, signed(1, T, 10), signed(1, T + 200, 20))
    for wrong in (9, 21, 10**6):
        assert await states(db, signed(1, T + 100 + wrong % 7, wrong)) == [Taken.REFUSED]


async def test_accept__slot_computed_already__is_remembered_as_late_until_the_slot_is_final(db: Connection) -> None:
    await states(db, signed(1, T - 500, 10), signed(1, T + 400, 40), signed(1, T + 1_300, 80))
    slots = await service.slot_registers(db, 1, T, 900, 1_800)
    await service.store_slot_energy(db, T, 900, 0, slots)
    assert await states(db, signed(1, T + 899, 60), signed(1, T + 1, 30)) == [Taken.VALIDATED] * 2
    assert await service.load_slot_energy(db, 1, T, 0) == slots
    late = await db.fetch("select extract(epoch from time)::bigint - $1, is_settled from telemetry.late_readings", T)
    assert [tuple(row) for row in late] == [(1, True), (899, True)]
    await service.finalise(db, 1, T, 0)
    assert await states(db, signed(1, T - 100, 15)) == [Taken.REFUSED]
    await states(db, signed(1, T + 3_000, 100))
    assert await states(db, signed(1, T + 2_000, 90)) == [Taken.VALIDATED]
