"""What a plant produced is taken from its meters' readings: once each, in order, also where there are many."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from indexer.db import Connection, connect
from node.assets import production, registry
from node.assets.registry import NewAsset

pytestmark = pytest.mark.integration

OWNER = b"\x11" * 20
NOW = datetime(2025, 6, 17, 12, tzinfo=UTC)
"""Market time: an asset is entered in real time, which may be years away from it."""


def second(number: int) -> datetime:
    return NOW + timedelta(seconds=number)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def entered(db: Connection, *meters: int) -> UUID:
    for meter in meters:
        await db.execute(
            "insert into telemetry.meters (meter_id, owner, kind, plant_id, zone, driver, device, address, key, fuse_w)"
            " values ($1, $2, 'plant', 'hill', 1, 'http', 'push', '', $2, 100000)",
            meter,
            OWNER,
        )
    plant = NewAsset(OWNER, "hill", "Hill", "HILL", 1_000, "solar", Decimal("99.5"), None, None)
    return await registry.register(db, plant)


async def read(db: Connection, meter: int, *times: datetime, power_w: int = -1_000, state: str = "VALIDATED") -> None:
    rows = [(meter, time, int(time.timestamp()), power_w, state) for time in times]
    await db.executemany(
        "insert into telemetry.readings (meter_id, time, counter, import_wh, export_wh, power_w, signature, signer,"
        " state) values ($1, $2, $3, 0, 0, $4, decode(repeat('00', 65), 'hex'), decode(repeat('00', 20), 'hex'), $5)",
        rows,
    )


async def taken(db: Connection, asset_id: UUID) -> list[tuple[datetime, Decimal]]:
    rows = await db.fetch(
        'select "time", power_kw from telemetry.energy_production where asset_id = $1 order by 1', asset_id
    )
    return [(row["time"], row["power_kw"]) for row in rows]


async def test_take_readings__two_meters__adds_them_up_once(db: Connection) -> None:
    asset_id = await entered(db, 1, 2)
    await read(db, 1, second(0), second(10))
    await read(db, 2, second(5), power_w=-500)
    await read(db, 2, second(7), power_w=-9_000, state="REFUSED")
    assert (await production.take_readings(db, NOW)).total() == 3
    assert (await production.take_readings(db, NOW)).total() == 0
    powers = [(second(0), Decimal(1)), (second(5), Decimal("1.5")), (second(10), Decimal("1.5"))]
    assert await taken(db, asset_id) == powers


async def test_take_readings__history__begins_a_day_ago_in_market_time(db: Connection) -> None:
    asset_id = await entered(db, 1)
    await read(db, 1, NOW - timedelta(days=400), NOW - timedelta(hours=23), second(0))
    await production.take_readings(db, NOW)
    assert [time for time, _ in await taken(db, asset_id)] == [NOW - timedelta(hours=23), second(0)]


async def test_take_readings__late_reading__corrects_what_was_taken(db: Connection) -> None:
    asset_id = await entered(db, 1, 2)
    await read(db, 1, second(0), second(60))
    await production.take_readings(db, NOW)
    await read(db, 2, second(30), power_w=-500)
    assert (await production.take_readings(db, NOW)).total() == 2
    powers = [(second(0), Decimal(1)), (second(30), Decimal("1.5")), (second(60), Decimal("1.5"))]
    assert await taken(db, asset_id) == powers


async def test_take_readings__more_than_a_batch__loses_none(db: Connection) -> None:
    asset_id = await entered(db, 1, 2)
    busy = [second(200 * number) for number in range(1, 12)]
    await read(db, 1, *busy)
    await read(db, 2, second(3_000))
    for _ in range(20):
        await production.take_readings(db, NOW, batch=3)
    assert [time for time, _ in await taken(db, asset_id)] == sorted([*busy, second(3_000)])


async def test_take_readings__long_history__reads_none_of_it(db: Connection) -> None:
    asset_id = await entered(db, 1)
    await db.execute(
        "insert into telemetry.readings (meter_id, time, counter, import_wh, export_wh, signature, signer)"
        " select 1, $1::timestamptz - n * interval '1 second', 1, 0, 0, decode(repeat('00', 65), 'hex'),"
        " decode(repeat('00', 20), 'hex') from generate_series(0, 50000) n",
        NOW,
    )
    await db.execute("insert into telemetry.energy_production values ($1, $2, 1)", NOW, asset_id)
    await db.execute("analyze telemetry.readings; analyze telemetry.energy_production")
    plan = await db.fetch(
        "explain (analyze, format text) " + production.SQL["take_readings"], NOW, production.LATE, production.BATCH
    )
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan on readings" not in text, text
