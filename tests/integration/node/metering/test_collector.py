"""The collector against simulated meters on real sockets."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiomqtt
import asyncpg
import httpx
import pytest

from api.devnet.broker import BrokerServer
from api.devnet.meter_spec import MeterSpec, Spec, write_spec
from api.devnet.process import free_port
from api.devnet.series import load_community
from contracts.typed_data import address_of
from indexer.clock import SimulatedClock
from indexer.db import Pool, open_pool, transaction
from node.config import NodeConfig
from node.metering import collector, faults, mqtt, service
from node.metering.metrics import Metrics
from node.metering.mqtt import client
from node.metering.service import Meter

pytestmark = pytest.mark.integration

GATEWAY = bytes(31) + b"\x21"
DEVICE = bytes(31) + b"\x22"
START_S = 1_718_042_400
EPOCH_S = START_S - 3_600
RATE = 300.0
SLOT_S = 900
POLLED, SIGNING, DEAD, TASMOTA = 101, 102, 103, 104


class FakeBus:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        assert channel == "readings"
        self.told.append(message)


@pytest.fixture
def broker_url(tmp_path: Path) -> Iterator[str]:
    """A broker of its own for each test: it keeps sessions."""
    server = BrokerServer(tmp_path / "broker.log")
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(time.time(), START_S, RATE)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def config(database_url: str, broker_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> NodeConfig:
    """Readings wait for the database in memory, or on disk where a test says so."""
    on_disk = {"GRIDTRACE_METER_BUFFER": str(tmp_path / "buffer")} if getattr(request, "param", "") == "disk" else {}
    key = tmp_path / "gateway"
    key.write_text("0x" + GATEWAY.hex())
    unused = str(tmp_path / "unused")
    return NodeConfig.from_environment(
        {
            "DATABASE_URL": database_url,
            "RPC_URL": "http://127.0.0.1:1",
            "GRIDTRACE_CHAIN_ID": "31337",
            "GRIDTRACE_DEPLOYMENT": unused,
            "REDIS_URL": "redis://127.0.0.1:1",
            "MQTT_URL": broker_url,
            "GRIDTRACE_OPERATOR": "0x" + "11" * 20,
            "GRIDTRACE_GRID_ACCOUNT": "0x" + "12" * 20,
            "GRIDTRACE_OPERATOR_KEY_FILE": unused,
            "GRIDTRACE_GATEWAY_KEY_FILE": str(key),
            "GRIDTRACE_READINGS_SALT_FILE": unused,
            "GRIDTRACE_METER_POLL_S": "0.2",
            **on_disk,
        }
    )


@pytest.fixture
def spec(clock: SimulatedClock, port: int, broker_url: str, tmp_path: Path) -> Path:
    """A polled home, a signing plant and a dead home."""
    meters = [
        MeterSpec(POLLED, "home", "modbus", 0, port, 1, initial_import_wh=5_000),
        MeterSpec(SIGNING, "plant", "mqtt", 0, key="0x" + DEVICE.hex(), initial_export_wh=7_000),
        MeterSpec(DEAD, "home", "modbus", 1, port, 2),
    ]
    path = tmp_path / "meters.json"
    state = str(tmp_path / "state.json")
    write_spec(path, Spec(str(clock), SLOT_S, 120, EPOCH_S, 7, 2, 1, meters, state, mqtt_url=broker_url, dead=[DEAD]))
    return path


def start(spec: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "api.devnet.meters", "--spec", str(spec)], env=dict(os.environ))


@pytest.fixture
def simulators(spec: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = start(spec)
    yield process
    process.kill()
    process.wait(10)


@pytest.fixture
async def pool(database_url: str, port: int) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=4) as opened:
        async with transaction(opened) as db:
            for meter in registered(port):
                await service.register_meter(db, meter)
        yield opened


def registered(port: int) -> list[Meter]:
    owner, gateway = bytes(20), address_of(GATEWAY)
    polled = ("modbus", "gridtrace-sim-meter")
    return [
        Meter(POLLED, owner, "home", None, 1, *polled, f"modbus-tcp://127.0.0.1:{port}/1", gateway, 25_000),
        Meter(
            SIGNING, owner, "plant", None, 1, "mqtt", "gridtrace-signed", f"gridtrace/meters/{SIGNING}/reading",
            address_of(DEVICE), 25_000,
        ),
        Meter(DEAD, owner, "home", None, 2, *polled, f"modbus-tcp://127.0.0.1:{port}/2", gateway, 25_000),
        Meter(TASMOTA, owner, "home", None, 3, "mqtt", "tasmota-energy", "tele/plug/SENSOR", gateway, 4_000),
    ]  # fmt: skip


@pytest.fixture
async def collecting(pool: Pool, config: NodeConfig, clock: SimulatedClock) -> AsyncIterator[FakeBus]:
    bus = FakeBus()
    task = asyncio.create_task(collector.run(pool, config, bus, clock))
    yield bus
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def eventually(pool: Pool, zone: int, time_s: int, limit_s: float = 60) -> None:
    """Waits until the zone's meters have readings at or after a time."""
    async with asyncio.timeout(limit_s):
        while True:
            async with transaction(pool) as db:
                if await service.ready(db, zone, time_s):
                    return
            await asyncio.sleep(0.1)


def exact_wh(time_s: int) -> tuple[int, int]:
    """Import of the polled home and export of the signing plant."""
    community = load_community(2, 1, 7)
    home = community.homes[0].energy_between(EPOCH_S, time_s) // 10**6
    return 5_000 + home, 7_000 + community.plants[0].energy_between(EPOCH_S, time_s) // 10**6


async def test_run__polled_and_signing_meters__store_what_the_series_says_and_a_dead_one_stops_nobody(
    pool: Pool, collecting: FakeBus, simulators: "subprocess.Popen[bytes]", clock: SimulatedClock
) -> None:
    await eventually(pool, 1, START_S)
    boundary_s = (int(clock.now_s()) // SLOT_S + 1) * SLOT_S
    await eventually(pool, 1, boundary_s + SLOT_S)
    async with transaction(pool) as db:
        slots = {slot.meter_id: slot for slot in await service.slot_registers(db, 1, boundary_s, SLOT_S, 1_800)}
        signers = await db.fetch("select distinct meter_id, signer from telemetry.readings order by meter_id")
        assert not await service.ready(db, 2, START_S)
    import_wh, export_wh = exact_wh(boundary_s + SLOT_S)
    assert abs(slots[POLLED].import_register_wh - import_wh) <= 1
    assert slots[SIGNING].export_register_wh == export_wh
    assert {slot.state for slot in slots.values()} == {"VALIDATED"}
    assert [tuple(row) for row in signers] == [(POLLED, address_of(GATEWAY)), (SIGNING, address_of(DEVICE))]
    assert sum(message["accepted"] for message in collecting.told) > 0


async def test_run__simulators_killed_and_started_again__boundaries_missed_are_delivered_exactly(
    pool: Pool, collecting: FakeBus, simulators: "subprocess.Popen[bytes]", clock: SimulatedClock, spec: Path
) -> None:
    await eventually(pool, 1, START_S)
    simulators.kill()
    simulators.wait(10)
    missed_s = (int(clock.now_s()) // SLOT_S + 1) * SLOT_S
    await clock.sleep_until(missed_s + SLOT_S)
    again = start(spec)
    try:
        await eventually(pool, 1, missed_s + SLOT_S)
    finally:
        again.kill()
        again.wait(10)
    async with transaction(pool) as db:
        readings = await service.raw_readings(db, 1, missed_s, missed_s)
    _, export_wh = exact_wh(missed_s)
    assert [said.reading.export_wh for said in readings if said.reading.meter_id == SIGNING] == [export_wh]


@pytest.mark.parametrize("config", ["memory", "disk"], indirect=True)
async def test_run__database_connections_cut__every_reading_is_stored_in_order(
    pool: Pool, collecting: FakeBus, simulators: "subprocess.Popen[bytes]", database_url: str
) -> None:
    await eventually(pool, 1, START_S)
    killer = await asyncpg.connect(database_url)
    for _ in range(5):
        await killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.2)
    latest_s = await killer.fetchval(
        'select extract(epoch from max("time"))::bigint from telemetry.latest where meter_id = $1', SIGNING
    )
    await killer.close()
    await eventually(pool, 1, latest_s + 2 * SLOT_S)
    async with transaction(pool) as db:
        refused = await db.fetchval("select count(*) from telemetry.readings where state = 'REFUSED'")
        times = await db.fetch(
            'select extract(epoch from "time")::bigint from telemetry.readings where meter_id = $1', SIGNING
        )
    assert refused == 0
    boundaries = range(-(-min(row[0] for row in times) // SLOT_S) * SLOT_S, latest_s + 2 * SLOT_S, SLOT_S)
    assert {row[0] for row in times} >= set(boundaries)


async def test_run__unsigned_mqtt_device__is_signed_by_the_gateway(
    pool: Pool, collecting: FakeBus, broker_url: str
) -> None:
    content = json.dumps({"ENERGY": {"Total": 3.185, "Power": 12}})
    async with client(broker_url, "plug", is_persistent=False) as plug, asyncio.timeout(30):
        while True:
            try:
                await plug.publish("tele/plug/SENSOR", b"not json", qos=1)
                await plug.publish("tele/plug/SENSOR", content, qos=1)
            except aiomqtt.MqttError as error:
                raise AssertionError("the broker went away") from error
            await asyncio.sleep(0.3)
            async with transaction(pool) as db:
                row = await db.fetchrow(
                    "select import_wh, power_w, signer from telemetry.readings where meter_id = $1", TASMOTA
                )
            if row is not None:
                break
    assert tuple(row) == (3_185, 12, address_of(GATEWAY))


@pytest.mark.parametrize("config", ["memory", "disk"], indirect=True)
async def test_run__stopped_and_started_again__what_was_published_meanwhile_is_stored(
    pool: Pool, config: NodeConfig, clock: SimulatedClock, simulators: "subprocess.Popen[bytes]"
) -> None:
    first = asyncio.create_task(collector.run(pool, config, FakeBus(), clock))
    await eventually(pool, 1, START_S)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    missed_s = (int(clock.now_s()) // SLOT_S + 1) * SLOT_S
    await clock.sleep_until(missed_s + SLOT_S)
    second = asyncio.create_task(collector.run(pool, config, FakeBus(), clock))
    await eventually(pool, 1, missed_s + 2 * SLOT_S)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    async with transaction(pool) as db:
        readings = await service.raw_readings(db, 1, missed_s, missed_s)
        refused = await db.fetchval("select count(*) from telemetry.readings where state = 'REFUSED'")
    assert [said.reading.time for said in readings if said.reading.meter_id == SIGNING] == [missed_s]
    assert refused == 0


async def test_run__dead_meters_and_broker__watch_begins_once_all_were_asked(
    pool: Pool, config: NodeConfig, clock: SimulatedClock
) -> None:
    """The simulators are not started: what does not answer must not put the beginning off for ever."""
    watch = collector.Watch(since_s=1.0)
    deaf = replace(config, mqtt_url=f"mqtt://gridtrace@127.0.0.1:{free_port()}")
    started_s = clock.now_s()
    task = asyncio.create_task(collector.run(pool, deaf, FakeBus(), clock, watch))
    await asyncio.sleep(0)
    assert not watch.since_s
    async with asyncio.timeout(20):
        while watch.since_s is None:
            await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert started_s <= watch.since_s <= clock.now_s()


async def test_run__no_meters__watch_begins_with_the_start(
    database_url: str, config: NodeConfig, clock: SimulatedClock
) -> None:
    watch = collector.Watch()
    async with open_pool(database_url, size=2) as empty:
        task = asyncio.create_task(collector.run(empty, replace(config, mqtt_url=None), FakeBus(), clock, watch))
        async with asyncio.timeout(5):
            while watch.since_s is None:
                await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_run__metrics__say_what_was_taken_and_who_is_silent(
    pool: Pool, config: NodeConfig, clock: SimulatedClock, simulators: "subprocess.Popen[bytes]"
) -> None:
    served = replace(config, node_metrics_port=free_port())
    task = asyncio.create_task(collector.run(pool, served, FakeBus(), clock))
    await eventually(pool, 1, START_S)
    async with httpx.AsyncClient() as http, asyncio.timeout(30):
        while True:
            answer = await http.get(f"http://127.0.0.1:{served.node_metrics_port}/metrics")
            lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
            if float(lines['gridtrace_meter_faults_total{kind="silent"}']) > 0:
                break
            await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert float(lines['gridtrace_meter_readings_total{state="VALIDATED"}']) > 0
    assert lines['gridtrace_meters{driver="modbus"}'] == "2.0"
    async with transaction(pool) as db:
        (fault, *_) = await faults.of_meter(db, DEAD)
    assert fault.kind == "silent" and fault.until is None and "unit 2 at" in fault.evidence["error"]


@pytest.mark.parametrize("config", ["disk"], indirect=True)
async def test_run__buffer_full__messages_stay_unacknowledged_until_there_is_room(
    pool: Pool, config: NodeConfig, clock: SimulatedClock, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged: list[int] = []
    made = mqtt._acknowledge

    def counted(client: aiomqtt.Client, message: aiomqtt.Message) -> Callable[[], None]:
        acknowledge = made(client, message)
        return lambda: (acknowledged.append(message.mid), acknowledge())[1]

    monkeypatch.setattr(mqtt, "_acknowledge", counted)
    watch = collector.Watch()
    narrow = replace(config, meter_buffer_bytes=10)
    collecting = collector.Collector(pool, narrow, FakeBus(), clock, watch, Metrics())
    task = asyncio.create_task(collecting.run())
    async with asyncio.timeout(60):
        while not watch.since_s:
            await asyncio.sleep(0.05)
    async with client(broker_url, "plug", is_persistent=False) as plug:
        await plug.publish("tele/plug/SENSOR", json.dumps({"ENERGY": {"Total": 3.185, "Power": 12}}), qos=1)
        await asyncio.sleep(1)
    assert (acknowledged, await pool.fetchval("select count(*) from telemetry.readings")) == ([], 0)
    assert collecting._spool is not None
    collecting._spool.buffer._most_bytes = 1 << 20
    await eventually(pool, 3, START_S)
    assert len(acknowledged) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
