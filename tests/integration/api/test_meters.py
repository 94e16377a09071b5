"""Meters over the API: their faults, replacements, appliances; readings pushed while the database is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.client import ApiProblem
from api.devnet.postgres import PostgresServer
from contracts.abi import encode_call
from contracts.typed_data import Reading, address_of, checksum, reading_digest, sign
from indexer import migrate
from indexer.db import connect, open_pool, transaction
from node.metering import faults, service
from node.metering.entries import FaultEntry
from node.metering.fault_kinds import FaultKind
from node.metering.service import MeterSlot
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    METER_KEY,
    NOW_S,
    OPERATOR_KEY,
    Market,
    SteppedClock,
    api_config,
    clear_account,
    market,
)

__all__ = ["market"]

pytestmark = pytest.mark.integration


def reading(counter: int, import_wh: int | None = None, key: bytes = METER_KEY) -> tuple[Reading, bytes]:
    made = Reading(3, NOW_S - 1_000 + counter * 60, counter, 100 * counter if import_wh is None else import_wh, 0, 500)
    return made, sign(reading_digest(made), key)


async def note(market: Market, *found: FaultEntry) -> None:
    async with open_pool(market.database_url, size=1) as pool, transaction(pool) as db:
        await faults.note(db, found)


async def test_meters__faults__are_seen_by_owner_and_operator_alone(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=3)
    await note(
        market,
        FaultEntry(3, FaultKind.REBOOTED, NOW_S - 100, {"uptime_s": 3}),
        FaultEntry(3, FaultKind.BAD_DATA, NOW_S - 50, {"error": "not a number"}),
    )
    for key in (ALICE_KEY, OPERATOR_KEY):
        async with market.client(key) as client:
            await client.sign_in()
            (meter,) = await client.meters(address_of(ALICE_KEY))
            found = await client.meter_faults(3)
        assert meter.faults == ["bad-data"]
        assert [(fault.kind, fault.until is None) for fault in found] == [("bad-data", True), ("rebooted", False)]
        assert found[0].evidence == {"error": "not a number"}
    async with market.client(BOB_KEY) as bob:
        await bob.sign_in()
        for meter_id in (3, 4):
            with pytest.raises(ApiProblem) as caught:
                await bob.meter_faults(meter_id)
            assert caught.value.status == 404


async def test_push__bad_reading__is_a_fault_until_the_next_good_one(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=3)
    async with market.client(ALICE_KEY) as alice:
        await alice.sign_in()
        await alice.send_readings([reading(1), reading(2, 50)])
        assert [(meter.faults, meter.last_reading_at is None) for meter in await alice.meters()] == [
            (["register-fell"], False)
        ]
        await alice.send_readings([reading(3)])
        assert [meter.faults for meter in await alice.meters()] == [[]]


async def test_replacement__operators_word__begins_a_new_baseline(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=3)
    async with market.client(ALICE_KEY) as alice, market.client(OPERATOR_KEY) as operator:
        await alice.sign_in()
        await operator.sign_in()
        await alice.send_readings([reading(1)])
        evidence: dict[str, int | str] = {"was": "OLD", "serial": "NEW", "import_wh": 30, "export_wh": 4}
        await note(market, FaultEntry(3, FaultKind.REPLACED, NOW_S, evidence))
        with pytest.raises(ApiProblem) as caught:
            await operator.confirm_replacement(3, "OTHER")
        assert (caught.value.status, caught.value.code) == (409, "meter-not-replaced")
        with pytest.raises(ApiProblem) as caught:
            await alice.confirm_replacement(3, "NEW")
        assert caught.value.status == 403
        begun = await operator.confirm_replacement(3, "NEW")
        assert (begun.import_base_wh, begun.export_base_wh) == (100 - 30, -4)
        assert [meter.faults for meter in await alice.meters()] == [[]]


def new_meter(**changes: object) -> dict[str, object]:
    owner = {"owner": checksum(address_of(ALICE_KEY)), "kind": "home", "zone": 1}
    how = {"driver": "modbus", "device": "eastron-sdm630", "address": "modbus-tcp://h/1"}
    return {"meter_id": 9, **owner, **how, "key": checksum(address_of(METER_KEY)), "fuse_w": "9000", **changes}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"device": "no-such"}, 404, "device-unknown"),
        ({"address": "modbus-tcp://h/0"}, 422, "meter-address-bad"),
        ({"device": "tasmota-http"}, 422, "meter-contradicts"),
        ({"driver": "poll", "device": "tasmota-http", "address": "ftp://h"}, 422, "meter-address-bad"),
        ({"driver": "canbus"}, 422, "field-invalid"),
    ],
)
async def test_register__meter_that_nobody_could_read__is_refused(
    market: Market, changes: dict[str, object], status: int, code: str
) -> None:
    async with market.client(OPERATOR_KEY) as operator:
        token = (await operator.sign_in()).session_token
    async with market.http(token) as http:
        answer = await http.post("/v1/meters", json=new_meter(**changes), headers={"Idempotency-Key": "a"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_register__meter__is_announced_and_its_power_capped_on_chain(market: Market) -> None:
    async with market.client(OPERATOR_KEY) as operator:
        token = (await operator.sign_in()).session_token
    async with market.http(token) as http:
        for _ in range(2):  # the second time under the same key: nothing more is sent
            answer = await http.post("/v1/meters", json=new_meter(), headers={"Idempotency-Key": "a"})
            assert answer.status_code == 202
    db = await connect(market.database_url)
    try:
        rows = await db.fetch("select kind, calldata from wallet.outbox order by id")
    finally:
        await db.close()
    assert [row["kind"] for row in rows] == ["set_meter", "set_power_cap"]
    assert rows[1]["calldata"] == encode_call("ProductionLedger", "setPowerCap", 9, 2 * 9_000)


async def test_appliance__is_part_of_what_a_home_used_and_does_not_settle(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=3)
    async with market.client(OPERATOR_KEY) as operator:
        token = (await operator.sign_in()).session_token
    plug = {"meter_id": 8, "part_of": 3, "appliance": "heat pump", "driver": "poll", "device": "tasmota-http"}
    plug |= {"address": "http://plug", "key": checksum(address_of(METER_KEY)), "fuse_w": "3600"}
    async with market.http(token) as http:
        assert (await http.post("/v1/appliances", json=plug)).status_code == 201
        assert (await http.post("/v1/appliances", json=plug | {"meter_id": 10, "part_of": 8})).status_code == 422
    db = await connect(market.database_url)
    slot = NOW_S // 900 * 900 - 900
    try:
        settling = await service.slot_registers(db, 1, slot, 900, 1_800)
        parts = await service.slot_registers(db, 1, slot, 900, 1_800, appliances=True)
        assert ([meter.meter_id for meter in settling], [meter.meter_id for meter in parts]) == ([3], [8])
        owner = address_of(ALICE_KEY)
        home = MeterSlot(3, owner, "home", 1_500, 40, 1_500, 40, "VALIDATED")
        await service.store_slot_energy(db, slot, 900, 0, [home, replace(home, meter_id=8, import_wh=700, export_wh=0)])
        await service.store_slot_energy(db, slot, 900, 1, [replace(home, import_wh=1_600)])
        used = await db.fetch(
            "select energy_amount::float, consumption_type, appliance, appliance_breakdown, verified, version"
            " from grid.energy_consumption where consumer_id = $1 order by meter_id",
            owner,
        )
        made = await db.fetchrow(
            "select producer_id, energy_amount::float, energy_source, verified from grid.energy_production"
            " where \"timestamp\" >= to_timestamp($1) - interval '24 hours'",
            NOW_S,
        )
        hour = await db.fetchrow(
            "select import_wh, export_wh, slots, proved from telemetry.energy_hourly where meter_id = 3"
        )
        await service.finalise(db, 1, slot, 1)
        final = await db.fetch("select version, final from grid.energy_consumption where meter_id = 3")
    finally:
        await db.close()
    assert [tuple(row) for row in used] == [
        (1.6, "household", None, {"heat pump": 700}, True, 1),
        (0.7, "household", "heat pump", {}, True, 0),
    ]
    assert tuple(made or ()) == (owner, 0.04, "home", True)
    assert tuple(hour or ()) == (1_600, 40, 1, 1)
    assert [tuple(row) for row in final] == [(1, True)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    server = PostgresServer(tmp_path / "postgres", tmp_path / "postgres.log", settings={"fsync": "off"})
    server.start()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(migrate.upgrade, server.url).result()
    yield server
    server.stop()


@pytest.fixture
async def buffered(tmp_path: Path, server: PostgresServer, redis_url: str) -> AsyncIterator[Market]:
    """The application with a small buffer on disk."""
    settings = {"GRIDTRACE_METER_BUFFER": str(tmp_path / "buffer"), "GRIDTRACE_METER_BUFFER_BYTES": "1500"}
    app = create_app(api_config(tmp_path, server.url, redis_url, **settings))
    async with app.router.lifespan_context(app):
        clock = SteppedClock(NOW_S)
        app.state.services = replace(app.state.services, clock=clock)
        app.state.push._spool._clock = clock
        yield Market(httpx.ASGITransport(app, raise_app_exceptions=False), server.url, clock)


async def push(market: Market, said: Sequence[tuple[Reading, bytes]]) -> httpx.Response:
    from api.client.client import _reading_body

    async with market.http() as http:
        return await http.post("/v1/readings:batch", json={"readings": [_reading_body(*one) for one in said]})


async def test_push__database_away__is_kept_on_disk_within_bounds_and_follows_in_order(
    buffered: Market, server: PostgresServer
) -> None:
    await clear_account(buffered, ALICE_KEY, meter_id=3)
    assert (await push(buffered, [reading(1)])).status_code == 200
    await learnt(buffered)
    await asyncio.to_thread(server.stop)
    kept = await push(buffered, [reading(2), reading(3), reading(4, key=BOB_KEY)])
    assert kept.status_code == 202
    assert [(one["state"], one["code"]) for one in kept.json()["results"]] == [
        ("RECEIVED", None),
        ("RECEIVED", None),
        ("REFUSED", "wrong-signer"),
    ]
    full = await push(buffered, [reading(counter) for counter in range(5, 40)])
    assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
    await asyncio.to_thread(server.start)
    db = await connect(server.url)
    try:
        async with asyncio.timeout(30):
            while len(rows := await db.fetch("select counter, state from telemetry.readings order by counter")) < 3:
                await asyncio.sleep(0.1)
    finally:
        await db.close()
    assert [tuple(row) for row in rows] == [(counter, "VALIDATED") for counter in (1, 2, 3)]
    again = await push(buffered, [reading(3), reading(4)])
    assert [one["state"] for one in again.json()["results"]] == ["DUPLICATE", "VALIDATED"]


async def learnt(market: Market) -> None:
    """Waits until the application knows whose key signs for the meter."""
    application = market.transport.app
    for _ in range(200):
        if application.state.push._keys:  # type: ignore[attr-defined]
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no keys were learnt")
