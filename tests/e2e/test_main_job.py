"""The main job: a community trades through the public doors, and its ledger is what its meters measured."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from api.devnet.postgres import PostgresServer
from api.devnet.process import listens
from tests.e2e.conftest import GridtraceRun

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SLOTS = 4
SLOT_SECONDS = 6
LIMIT_S = 300.0

StartRun = Callable[..., GridtraceRun]


def options() -> list[str]:
    return ["--slots", str(SLOTS), "--slot-seconds", str(SLOT_SECONDS)]


def assert_nothing_left(run: GridtraceRun) -> None:
    assert run.left_behind() == []
    environment = json.loads((run.state_dir / "environment.json").read_text())
    addresses = [environment[name] for name in ("RPC_URL", "REDIS_URL", "MQTT_URL", "GRIDTRACE_PUBLIC_URL")]
    ports = [urlsplit(address).port or 0 for address in addresses]
    assert [port for port in ports if listens("127.0.0.1", port)] == []


async def settlements_on_ledger(state_dir: Path) -> list[tuple[int, int]]:
    """Of each settled slot: how often it stands on the mirrored ledger, and how many of its accounts had no reading."""
    folder = state_dir / "services" / "postgres"
    server = PostgresServer(folder, state_dir / "logs" / "postgres-after.log")
    server.start()
    try:
        db = await asyncpg.connect(server.url_of("gridtrace"))
        try:
            rows = await db.fetch(
                """select s.delivery_start, count(distinct o.sequence) as batches,
                     (select count(*) from trading.settlement_accounts a
                       where a.settlement_id = s.settlement_id and a.state = 'missing') as missing
                   from trading.settlements s join blockchain.settled_orders o
                     on (o.zone, o.delivery_start) = (s.zone, s.delivery_start)
                   where s.state = 'settled' group by s.settlement_id"""
            )
        finally:
            await db.close()
    finally:
        server.stop()
    return [(row["batches"], row["missing"]) for row in rows]


def test_run__four_slots__settle_what_the_meters_measured(start_run: StartRun) -> None:
    run = start_run(*options())
    run.page()
    run.remember_family()
    summary = run.end(LIMIT_S)
    assert summary["slots"] == SLOTS
    assert summary["differences"] == 0
    assert summary["trades"] > 0
    assert 0 < summary["delivered_wh"] <= summary["traded_wh"]
    assert summary["settled_wh"] == summary["traded_wh"]
    assert summary["meters_delivered"] == {"modbus": 14, "mqtt": 14}
    assert summary["events_indexed"] > 0
    assert summary["gas_per_trade"] > 0
    assert summary["indexer_lag_ms_p99"] is not None
    assert len(summary["clearing_prices"]) == SLOTS
    assert_nothing_left(run)


def test_run__processes_killed_and_two_meters_dead__settle_each_slot_once(start_run: StartRun) -> None:
    run = start_run(*options(), "--dead-meter", "3", "--dead-meter", "4")
    run.page()
    run.wait_for("first settled slot", run.slots_told, LIMIT_S)
    for name in ("index", "node", "serve"):
        os.kill(run.pid_of(name), signal.SIGKILL)
        time.sleep(SLOT_SECONDS * 0.7)
        run.remember_family()
    summary = run.end(LIMIT_S)
    assert summary["restarts"] >= 3
    assert summary["slots"] == SLOTS
    assert summary["differences"] == 0
    assert_nothing_left(run)
    assert summary["meters_delivered"] == {"modbus": 13, "mqtt": 13}
    settled = asyncio.run(settlements_on_ledger(run.state_dir))
    assert len(settled) >= SLOTS
    assert {batches for batches, _ in settled} == {1}
    assert min(missing for _, missing in settled) == 2


def test_run__killed_and_started_again__goes_on_with_its_data(start_run: StartRun) -> None:
    first = start_run(*options())
    first.page()
    first.wait_for("first settled slot", first.slots_told, LIMIT_S)
    first.remember_family()
    first.process.kill()
    first.process.wait(10)
    deadline = time.monotonic() + 10
    while first.left_behind() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert first.left_behind() == []
    market_s = json.loads((first.state_dir / "state.json").read_text())["market_s"]
    second = start_run("--slots", "2", "--slot-seconds", str(SLOT_SECONDS), "--state-dir", str(first.state_dir))
    summary = second.end(LIMIT_S)
    assert summary["differences"] == 0
    assert json.loads((first.state_dir / "state.json").read_text())["market_s"] > market_s


@pytest.mark.skipif(not os.environ.get("GRIDTRACE_TEST_DATA"), reason="GRIDTRACE_TEST_DATA names no folder of series")
def test_run__measured_series_of_a_folder__settle_without_differences(start_run: StartRun) -> None:
    run = start_run("--slots", "2", "--slot-seconds", str(SLOT_SECONDS), "--data", os.environ["GRIDTRACE_TEST_DATA"])
    summary = run.end(LIMIT_S)
    assert summary["differences"] == 0
    assert summary["trades"] > 0
