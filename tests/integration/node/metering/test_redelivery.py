"""What a broker has acknowledged to a device is not lost when the node is killed before it is stored.

amqtt, the broker of a run on one machine, does not send again what it sent to a session that broke; mosquitto does, as
MQTT asks of brokers (3.1.1, section 4.4).
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
import pytest

from api.devnet.process import Service, free_port, listens
from contracts.typed_data import Reading, address_of, reading_digest, sign
from indexer.db import Connection, Pool, open_pool, transaction
from node.metering import payload, service
from node.metering.mqtt import topic_of
from node.metering.service import Meter

pytestmark = pytest.mark.integration

KEY = bytes(31) + b"\x33"
METER = 301
READINGS = 30
PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


class Mosquitto(Service):
    name = "mosquitto"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "mosquitto.log")
        self.port = free_port()
        self.settings = folder / "mosquitto.conf"
        self.settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n"
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [str(PROGRAM), "-c", str(self.settings)]

    def answers(self) -> bool:
        return self.alive() and listens("127.0.0.1", self.port)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if PROGRAM is None:
        pytest.skip("no mosquitto on this machine: redelivery after a crash is not tried (apt-get install mosquitto)")
    server = Mosquitto(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=3) as opened:
        async with transaction(opened) as db:
            await service.register_meter(
                db,
                Meter(METER, bytes(20), "home", None, 1, "mqtt", "gridtrace-signed", topic_of(METER),
                      address_of(KEY), 25_000),
            )  # fmt: skip
        yield opened


@contextmanager
def collecting(settings: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A collector of its own process; killed at the end."""
    program = [sys.executable, "-m", "tests.integration.node.metering.collecting"]
    process = subprocess.Popen(program, env={**os.environ, **settings})
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def said(number: int, start_s: int) -> bytes:
    reading = Reading(METER, start_s + number, number, number, 0, 0)
    return payload.encode(reading, sign(reading_digest(reading), KEY))


async def count(pool: Pool) -> int:
    return int(await pool.fetchval("select count(*) from telemetry.readings where state = 'VALIDATED'"))


async def until(database: Connection, question: str, wanted: int) -> None:
    async with asyncio.timeout(90):
        while (await database.fetchval(question)) < wanted:
            await asyncio.sleep(0.05)


async def test_run__killed_before_it_stored__the_broker_delivers_again_and_nothing_is_lost(
    pool: Pool, broker: Mosquitto, database_url: str, tmp_path: Path
) -> None:
    key = tmp_path / "gateway"
    key.write_text("0x" + KEY.hex())
    unused = str(tmp_path / "unused")
    settings = {
        "DATABASE_URL": database_url,
        "MQTT_URL": broker.url,
        "RPC_URL": "http://127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1",
        "GRIDTRACE_CHAIN_ID": "31337",
        "GRIDTRACE_OPERATOR": "0x" + "11" * 20,
        "GRIDTRACE_GRID_ACCOUNT": "0x" + "12" * 20,
        "GRIDTRACE_GATEWAY_KEY_FILE": str(key),
        **dict.fromkeys(
            ("GRIDTRACE_DEPLOYMENT", "GRIDTRACE_OPERATOR_KEY_FILE", "GRIDTRACE_READINGS_SALT_FILE"), unused
        ),
    }
    start_s = int(time.time()) - 10 * READINGS
    async with (
        pool.acquire() as blocking,
        aiomqtt.Client("127.0.0.1", broker.port, identifier="device", timeout=60) as device,
    ):
        with collecting(settings):
            await device.publish(topic_of(METER), said(1, start_s), qos=1, retain=True)  # it subscribes in its own time
            await until(blocking, "select count(*) from telemetry.readings where state = 'VALIDATED'", 1)
            # From here on nothing can be stored; each publication returns once the broker has acknowledged it.
            holding = blocking.transaction()
            await holding.start()
            await blocking.execute("lock table telemetry.readings in access exclusive mode")
            for number in range(2, READINGS + 1):
                await device.publish(topic_of(METER), said(number, start_s), qos=1)
            waiting = (
                "select count(*) from pg_locks l join pg_database d on d.oid = l.database"
                " where not l.granted and d.datname = current_database()"
            )
            await until(blocking, waiting, 1)  # it has them, and cannot store them
        await holding.rollback()
        async with asyncio.timeout(90):
            while await blocking.fetchval(waiting):
                await asyncio.sleep(0.05)
        assert await count(pool) == 1  # all that was stored: the others died with the process
        with collecting(settings):
            await until(blocking, "select count(*) from telemetry.readings where state = 'VALIDATED'", READINGS)
    counters = await pool.fetch("select counter from telemetry.readings where meter_id = $1 order by counter", METER)
    assert [row["counter"] for row in counters] == list(range(1, READINGS + 1))
