"""Readings in PostgreSQL: taken in, bracketed, and stored as slot energy."""

from collections.abc import AsyncIterator

import pytest

from contracts.typed_data import Reading, address_of, reading_digest, sign
from indexer.db import Connection, open_pool, transaction
from node.metering import service
from node.metering.readings import Reason, SignedReading
from node.metering.service import Meter, MeterExists, MeterSlot, SlotEnergy, Taken

pytestmark = pytest.mark.integration

KEY = bytes(31) + b"\x07"
T = 1_718_000_100
NOW_S = T + 5_000
OWNER = bytes(19) + b"\x01"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    async with open_pool(database_url, size=2) as pool, transaction(pool) as connection:
        yield connection


def meter(meter_id: int = 1, zone: int = 1) -> Meter:
    topic = f"gridtrace/meters/{meter_id}/reading"
    return Meter(meter_id, OWNER, "home", None, zone, "mqtt", "gridtrace-signed", topic, address_of(KEY), 50_000)


def signed(
    time: int, import_wh: int, *, meter_id: int = 1, counter: int | None = None, key: bytes = KEY
) -> SignedReading:
    reading = Reading(meter_id, time, time if counter is None else counter, import_wh, 0, 0)
    return SignedReading.recovered(reading, sign(reading_digest(reading), key))


async def accept(db: Connection, *readings: SignedReading, now_s: float = NOW_S) -> list[tuple[Taken, Reason | None]]:
    outcomes = await service.accept(db, readings, now_s=now_s, slot_s=900)
    return [(outcome.state, outcome.reason) for outcome in outcomes]


async def test_register_meter__twice__is_once_and_other_particulars_are_refused(db: Connection) -> None:
    await service.register_meter(db, meter())
    await service.register_meter(db, meter())
    with pytest.raises(MeterExists):
        await service.register_meter(db, meter(zone=2))
    assert await service.meters(db, owner=OWNER, driver="mqtt") == [meter()]
    assert await service.meters(db, zone=2) == []


async def test_accept__good_repeated_and_bad_readings__keeps_the_meters_own_and_reports_all(db: Connection) -> None:
    await service.register_meter(db, meter())
    good, fell = signed(T, 1_000), signed(T + 60, 999)
    assert await accept(db, good, good, fell, signed(T + 90, 1_001, key=bytes(31) + b"\x08")) == [
        (Taken.VALIDATED, None),
        (Taken.DUPLICATE, Reason.COUNTER_NOT_GROWING),
        (Taken.REFUSED, Reason.REGISTER_FELL),
        (Taken.REFUSED, Reason.WRONG_SIGNER),
    ]
    assert await accept(db, good, fell, signed(T, 5, meter_id=2)) == [
        (Taken.DUPLICATE, Reason.COUNTER_NOT_GROWING),
        (Taken.DUPLICATE, Reason.REGISTER_FELL),
        (Taken.REFUSED, Reason.UNKNOWN_METER),
    ]
    rows = await db.fetch('select state, reason, import_wh from telemetry.readings order by "time"')
    assert [tuple(row) for row in rows] == [("VALIDATED", None, 1_000), ("REFUSED", "register-fell", 999)]
    assert (await service.latest(db, [1]))[1] == good.reading
    assert await db.fetchval("select count(*) from telemetry.readings_2024_06") == 2


async def test_accept__clock_ahead__counts_once_its_time_has_come(db: Connection) -> None:
    await service.register_meter(db, meter())
    early = signed(T, 1_000)
    assert await accept(db, early, now_s=T - 900) == [(Taken.REFUSED, Reason.CLOCK_AHEAD)]
    assert await accept(db, early, now_s=T) == [(Taken.VALIDATED, None)]
    assert [said.reading for said in await service.raw_readings(db, 1, T, T)] == [early.reading]


async def test_accept__values_beyond_the_database__are_reported_not_raised(db: Connection) -> None:
    await service.register_meter(db, meter())
    assert await accept(db, signed(T, 2**63), signed(2**63, 1), signed(T, 1)) == [
        (Taken.REFUSED, Reason.OUT_OF_RANGE),
        (Taken.REFUSED, Reason.OUT_OF_RANGE),
        (Taken.VALIDATED, None),
    ]


async def test_accept__month_that_the_default_partition_has_taken__goes_on_there(db: Connection) -> None:
    await service.register_meter(db, meter())
    july = 1_719_800_000
    await accept(db, signed(july, 1))  # refused, so no partition is made for it
    assert await accept(db, signed(july + 60, 2), now_s=july + 60) == [(Taken.VALIDATED, None)]
    assert await db.fetchval("select count(*) from telemetry.readings_default") == 2


async def test_slot_registers__interpolates_and_says_what_is_missing(db: Connection) -> None:
    start = -(-T // 900) * 900
    await service.register_meter(db, meter(1))
    await service.register_meter(db, meter(2))
    await accept(db, signed(start - 100, 1_000), signed(start + 200, 1_010), signed(start + 850, 1_500))
    assert not await service.ready(db, 1, start + 900)
    await accept(db, signed(start + 950, 1_600), signed(start + 900, 70, meter_id=2))
    assert await service.ready(db, 1, start + 900)
    slots = await service.slot_registers(db, 1, start, 900, 1_800)
    assert slots == [
        MeterSlot(1, OWNER, "home", 1_550 - 1_003, 0, 1_550, 0, "VALIDATED"),
        MeterSlot(2, OWNER, "home", 0, 0, 70, 0, "MISSING"),
    ]
    assert (await service.slot_registers(db, 1, start, 900, 299))[0].state == "ESTIMATED"
    await service.store_slot_energy(db, start, 900, 0, slots)
    await service.store_slot_energy(db, start, 900, 0, [MeterSlot(1, OWNER, "home", 9, 9, 9, 9, "VALIDATED")])
    assert await service.load_slot_energy(db, 1, start, 0) == slots
    assert await service.energy(db, 1, start, start + 900, 900) == [SlotEnergy(start, 0, 547, 0, "VALIDATED")]


async def test_raw_readings__reach_out_to_the_readings_around_the_range(db: Connection) -> None:
    await service.register_meter(db, meter())
    readings = [signed(T + 100 * place, place) for place in range(8)]
    await accept(db, *readings)
    assert await service.raw_readings(db, 1, T + 250, T + 450) == readings[2:6]
    assert await service.raw_readings(db, 1, T + 200, T + 400) == readings[2:5]
    assert await service.raw_readings(db, 1, T - 50, T + 9_000) == readings
