"""What was acknowledged reaches the database exactly once and in order, whatever is killed or away."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indexer.db import open_pool, transaction
from node.metering import service
from node.metering.service import Meter
from tests.integration.node.metering.buffered_writer import KEY, METER, address_of

pytestmark = pytest.mark.integration

ROUNDS = 400 if os.environ.get("GRIDTRACE_DEEP") else 24
WRITER = "tests.integration.node.metering.buffered_writer"


def start(database_url: str, folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", WRITER, database_url, str(folder), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed(process: "subprocess.Popen[str]", delay_s: float) -> list[str]:
    """Everything that it said before it was killed, some time after its first reading was kept."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("kept"):
            break
    time.sleep(delay_s)
    process.kill()
    rest, _ = process.communicate(timeout=10)
    return [*lines, *rest.splitlines()]


def end_of(folder: Path) -> int:
    """Position after the last record of a buffer."""
    return max(int(path.stem) + path.stat().st_size for path in folder.glob("*.records"))


@pytest.mark.timeout(60 + ROUNDS * 5)
async def test_kill__any_moment__nothing_acknowledged_is_lost_or_doubled(database_url: str, tmp_path: Path) -> None:
    async with open_pool(database_url, size=1) as pool, transaction(pool) as db:
        topic = f"gridtrace/meters/{METER}/reading"
        await service.register_meter(
            db, Meter(METER, bytes(20), "home", None, 1, "mqtt", "gridtrace-signed", topic, address_of(KEY), 50_000)
        )
    chance = random.Random(5)
    kept = 0
    outcomes: list[str] = []
    for _ in range(ROUNDS):
        lines = killed(start(database_url, tmp_path), chance.random() * 0.12)
        said = [line.split() for line in lines]
        kept = max([kept, *(int(words[1]) for words in said if words[:1] == ["kept"] and len(words) == 2)])
        outcomes += [words[1] for words in said if words[:1] == ["outcome"] and len(words) == 3]
    process = start(database_url, tmp_path, "empty")
    rest, _ = process.communicate(timeout=60)
    assert rest.endswith("empty\n")
    async with open_pool(database_url, size=1) as pool:
        rows = await pool.fetch("select counter, state from telemetry.readings order by received_at, counter")
        position = await pool.fetchval("select position from telemetry.buffers")
    counters = [row["counter"] for row in rows]
    assert counters == list(range(1, max(counters) + 1))
    assert max(counters) >= kept > ROUNDS * 3
    assert {row["state"] for row in rows} == {"VALIDATED"}
    assert set(outcomes) == {"VALIDATED"}
    assert position == end_of(tmp_path)


async def test_database_stopped__readings_are_kept_and_follow_in_order(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from api.devnet.postgres import PostgresServer
    from indexer import migrate

    server = PostgresServer(tmp_path / "pg", tmp_path / "log", settings={"shared_buffers": "32MB"})
    server.start()
    url = server.url
    try:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(migrate.upgrade, url).result()
        async with open_pool(url, size=1) as pool, transaction(pool) as db:
            await service.register_meter(
                db, Meter(METER, bytes(20), "home", None, 1, "mqtt", "gridtrace-signed", "t", address_of(KEY), 50_000)
            )
        process = start(url, tmp_path / "buffer")
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.startswith("outcome")).split()[1] == "VALIDATED"
        server.stop()
        until_s = time.monotonic() + 1
        kept = 0
        for line in process.stdout:
            kept = int(line.split()[1]) if line.startswith("kept") else kept
            if time.monotonic() > until_s:
                break
        process.kill()
        process.communicate(timeout=10)
        server.start()
        rest, _ = start(server.url, tmp_path / "buffer", "empty").communicate(timeout=60)
        assert rest.endswith("empty\n")
        async with open_pool(server.url, size=1) as pool:
            rows = await pool.fetch("select counter, state from telemetry.readings order by counter")
    finally:
        server.stop()
    assert [row["counter"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= kept > 100
    assert {row["state"] for row in rows} == {"VALIDATED"}
