"""How fast meters are read and their readings stored.

    DATABASE_URL=postgresql://… python -m scripts.bench.metering [--seconds 3] [--readings 300000] [--json]

Polling: one process asks a raw responder (its own process, no Modbus library) over real sockets, reading and decoding
one block a poll, and in the same run pymodbus alone asks the same. Ingest: signed readings checked against their
meters' chains and stored with the newest of each, one connection, one transaction a batch; in turns with a bare COPY
of the same rows into a table like theirs. Times are those of the wall and of the processor: a busy machine moves the
first.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import uvloop
from pymodbus.client import AsyncModbusTcpClient

from api.devnet.process import free_port
from contracts.typed_data import Reading
from indexer import migrate
from indexer.db import connect
from node.metering import devices, service
from node.metering.lines import TcpLine
from node.metering.modbus import Unit
from node.metering.modbus_address import Endpoint
from node.metering.readings import SignedReading
from node.metering.service import Meter

LINES = 32
DEVICE = "gridtrace-sim-meter"
START_S = 1_718_000_000
KEY = bytes(19) + b"\x07"
SHAPES = {"each meter once": (1_000, 1), "a backlog": (1_000, 10)}
"""Meters in a batch, and how many readings of each."""
COLUMNS = ("meter_id", "time", "counter", "import_wh", "export_wh", "power_w", "signature", "signer", "state", "reason")

TWIN = """
create table telemetry.twin (like telemetry.readings including all) partition by range ("time");
create table telemetry.twin_default partition of telemetry.twin default;
"""


class Responder(asyncio.Protocol):
    """Answers every Modbus TCP read with zeros, and nothing more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._rest = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        data, answers = self._rest + data, []
        while len(data) >= 12:
            size = 2 * (data[10] << 8 | data[11])
            answers.append(data[:4] + (size + 3).to_bytes(2, "big") + data[6:8] + bytes([size]) + bytes(size))
            data = data[12:]
        self._rest = data
        self._transport.write(b"".join(answers))


def respond(port: int) -> None:
    """A process that answers until it is ended."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(main())


async def repeated(works: Sequence[Callable[[], Awaitable[object]]], seconds: float) -> dict[str, float]:
    """Every work again and again for a while, all at the same time."""
    count, until_s = 0, time.perf_counter() + seconds

    async def repeat(work: Callable[[], Awaitable[object]]) -> None:
        nonlocal count
        while time.perf_counter() < until_s:
            await work()
            count += 1

    began_s, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(repeat, works))
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return {"per_s": count / wall_s, "cpu_us": cpu_s / count * 1e6}


async def poll(seconds: float) -> dict[str, dict[str, float]]:
    """Blocks per second: ours with decoding, pymodbus without."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=respond, args=(port,), daemon=True)
    process.start()
    lines = [TcpLine(Endpoint("127.0.0.1", port)) for _ in range(LINES)]
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0) for _ in range(LINES)]
    meter = Meter(1, KEY, "home", None, 1, "modbus", DEVICE, "", KEY, 10_000)
    try:
        await listening(lines[0])
        for line, client in zip(lines, clients, strict=True):
            await line.open()
            await client.connect()
        units = [(Unit(1, meter, devices.load(DEVICE)), line) for line in lines]
        ours = [lambda unit=unit, line=line: unit.read(line) for unit, line in units]
        theirs = [lambda one=one: one.read_input_registers(0, count=16, device_id=1) for one in clients]
        return {"gridtrace": await repeated(ours, seconds), "pymodbus": await repeated(theirs, seconds)}
    finally:
        for line, client in zip(lines, clients, strict=True):
            line.close()
            client.close()
        process.terminate()
        process.join()


async def listening(line: TcpLine) -> None:
    """Returns once the responder is there."""
    for _ in range(200):
        try:
            return await line.open()
        except OSError:
            await asyncio.sleep(0.05)
    raise SystemExit("the responder did not start")


def readings(meters: int, each: int, total: int) -> list[list[SignedReading]]:
    """Batches of readings whose signatures are taken as already recovered."""
    batches: list[list[SignedReading]] = []
    step, signature = 0, bytes(65)
    while len(batches) * meters * each < total:
        batch = []
        for _ in range(each):
            step += 1
            for meter_id in range(1, meters + 1):
                said = Reading(meter_id, START_S + 60 * step, step, 10 * step, 5 * step, 600)
                batch.append(SignedReading(said, signature, KEY))
        batches.append(batch)
    return batches


async def ingest(url: str, meters: int, each: int, total: int) -> dict[str, float]:
    """Readings per second through ``service.accept``, and rows per second of a bare COPY."""
    db = await connect(url)
    try:
        for meter_id in range(1, meters + 1):
            where = f"gridtrace/meters/{meter_id}/reading"
            await service.register_meter(
                db, Meter(meter_id, KEY, "home", None, 1, "mqtt", "gridtrace-signed", where, KEY, 50_000)
            )
        batches = readings(meters, each, total)
        count = sum(map(len, batches))
        now_s = float(batches[-1][-1].reading.time)
        gc.freeze()  # what waits here to be stored is no garbage to look through
        await db.execute(TWIN)
        wall_s = cpu_s = copy_s = 0.0
        for batch in batches:  # in turns, so that what else the machine does concerns both
            began_s, cpu_began_s = time.perf_counter(), time.process_time()
            async with db.transaction():
                outcomes = await service.accept(db, batch, now_s=now_s, slot_s=900)
            wall_s += time.perf_counter() - began_s
            cpu_s += time.process_time() - cpu_began_s
            assert len(outcomes) == len(batch)
            copy_s += await bare_copy(db, batch)
        valid = await db.fetchval("select count(*) from telemetry.readings where state = 'VALIDATED'")
        assert valid == count == await db.fetchval("select sum(counter) from telemetry.latest")
        return {"per_s": count / wall_s, "cpu_us": cpu_s / count * 1e6, "copy_per_s": count / copy_s}
    finally:
        await db.close()


async def bare_copy(db: Any, batch: list[SignedReading]) -> float:
    """Seconds that COPY of the same rows takes, into a table like that of the readings."""
    rows = []
    for signed in batch:
        said = signed.reading
        registers = (said.import_wh, said.export_wh, said.power_w)
        instant = datetime.fromtimestamp(said.time, UTC)
        rows.append((said.meter_id, instant, said.counter, *registers, bytes(65), KEY, "VALIDATED", None))
    began_s = time.perf_counter()
    async with db.transaction():
        await db.copy_records_to_table("twin", schema_name="telemetry", columns=COLUMNS, records=rows)
    return time.perf_counter() - began_s


@asynccontextmanager
async def fresh_database(server_url: str) -> AsyncIterator[str]:
    """A migrated database for one measurement."""
    name = f"bench_metering_{secrets.token_hex(4)}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"create database {name}")
    try:
        url = server_url.rpartition("/")[0] + "/" + name
        await asyncio.to_thread(migrate.upgrade, url)
        yield url
    finally:
        await server.execute(f"drop database {name} with (force)")
        await server.close()


async def measure(seconds: float, total: int, server_url: str | None) -> dict[str, Any]:
    """All measurements."""
    found: dict[str, Any] = {"poll": await poll(seconds) if seconds else {}, "ingest": {}}
    for name, (meters, each) in SHAPES.items():
        if server_url:
            async with fresh_database(server_url) as url:
                found["ingest"][name] = await ingest(url, meters, each, total)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of polling, each; 0 for none")
    parser.add_argument("--readings", type=int, default=300_000, help="stored in each shape")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = uvloop.run(measure(options.seconds, options.readings, os.environ.get("DATABASE_URL")))
    if options.json:
        print(json.dumps(found))
        return
    for name, one in found["poll"].items():
        print(f"poll, {name:10} {one['per_s']:>9,.0f} blocks/s, {one['cpu_us']:.1f} µs of CPU a block")
    for name, one in found["ingest"].items():
        ratio = one["per_s"] / one["copy_per_s"]
        print(
            f"ingest, {name:16} {one['per_s']:>9,.0f} readings/s, {one['cpu_us']:.2f} µs of our CPU a reading; "
            f"bare COPY {one['copy_per_s']:,.0f}: {ratio:.2f} of it"
        )


if __name__ == "__main__":
    main()
