"""Kills the way of a reading, from the disk to the database, at each of its steps.

What was acknowledged before a kill must be in the database in the end, once, valid and in order.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

from contracts.typed_data import Reading, address_of, reading_digest, sign
from indexer.clock import SimulatedClock
from indexer.db import connect, open_pool
from node.metering import entries, service
from node.metering.buffer import Buffer
from node.metering.entries import Entry, ReadingEntry
from node.metering.readings import SignedReading
from node.metering.service import Meter, Outcome, Taken
from node.metering.spool import Spool
from scripts.soak.dying import FORK, LIMIT_S, Step, die, until_dead
from scripts.soak.table import Row

KEY: Final = bytes(31) + b"\x31"
METER: Final = 7
T: Final = 1_718_000_000
SLOT_S: Final = 900
BATCH: Final = 3
BUFFER_BYTES: Final = 1 << 20
SEGMENT_BYTES: Final = 2_000
TORN: Final = "a record half on disk"
STEPS: Final = (
    Step("before the disk", "node.metering.buffer:Buffer", "append"),
    TORN,
    Step("written, not synchronised", "os", "fdatasync"),
    Step("synchronised, not acknowledged", "os", "fdatasync", after=True),
    Step("a new file begun", "node.metering.buffer:Buffer", "_begin_segment", after=True),
    Step("read from the disk", "node.metering.buffer:Buffer", "read", after=True),
    Step("checked and copied, ends of chains not moved", "node.metering.acceptance", "_move_ends"),
    Step("stored, position not moved", "node.metering.intake", "take_entries", after=True),
    Step("position moved, not committed", "node.metering.intake", "move", after=True),
    Step("committed, disk not given back", "node.metering.buffer:Buffer", "release"),
    Step("disk given back", "node.metering.buffer:Buffer", "release", after=True),
)


class Torn:
    """A file of which half a write reaches the disk."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: memoryview) -> int:
        self._file.write(data[: len(data) // 2])
        die()


def live(step: Step | str, database_url: str, folder: Path, said: Pipe) -> None:
    """One life of a process that keeps readings and stores them, telling what it acknowledges and what became of it."""
    logging.disable()
    asyncio.run(_live(step, database_url, folder, said))


async def _live(step: Step | str, database_url: str, folder: Path, said: Pipe) -> None:
    async def tell(_: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
        said.send(("taken", [(outcome.counter, outcome.state) for outcome in outcomes]))

    async with open_pool(database_url, size=1) as pool:
        async with pool.acquire() as db:
            stored = await service.latest(db, [METER])
        buffer = Buffer(folder, BUFFER_BYTES, segment_bytes=SEGMENT_BYTES)
        number = max(_last_kept(buffer), stored[METER].counter if stored else 0)
        spool = Spool(buffer, pool, SimulatedClock(0, T + 10**7, 1), SLOT_S, tell)
        if isinstance(step, Step):
            step.arm()
        elif step == TORN:
            _tear(buffer)
        async with asyncio.TaskGroup() as group:
            draining = group.create_task(spool.run())
            if not step:
                await spool.drained()
                draining.cancel()
                return
            while True:
                await spool.keep([_reading(number + place + 1) for place in range(BATCH)])
                number += BATCH
                said.send(("kept", number))


def _tear(buffer: Buffer) -> None:
    """From now on half of a write reaches the disk, in this file or in the next one."""
    held = vars(buffer)
    begin = buffer._begin_segment

    def torn() -> None:
        begin()
        held["_file"] = Torn(held["_file"])

    held["_begin_segment"] = torn
    held["_file"] = Torn(held["_file"])


def _reading(number: int) -> ReadingEntry:
    said = Reading(METER, T + number, number, 2 * number, 0, 0)
    return ReadingEntry.of(SignedReading(said, sign(reading_digest(said), KEY), address_of(KEY)))


def _last_kept(buffer: Buffer) -> int:
    records, _ = buffer.read(buffer.start, 10**9)
    found = [entries.decode(record) for record in records]
    return max((entry.counter for entry in found if isinstance(entry, ReadingEntry)), default=0)


class Kills:
    """Rounds of one kill each."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._database_url, self._folder = database_url, folder
        self._kept = 0
        self._seen: set[int] = set()

    async def run(self, rounds: int, told: Callable[[str], None]) -> list[Row]:
        """``rounds`` kills at every step; what came of each.

        Raises:
            NotReached: a step did not happen.
        """
        await self._register()
        rows = []
        for step in STEPS:
            row = Row(f"meter pipeline killed: {step if isinstance(step, str) else step.name}", rounds)
            for _ in range(rounds):
                await self._round(step, row)
            await self._judge(row)
            rows.append(row)
            told(f"meter pipeline: {rounds} kills, {row.fault.partition(': ')[2]}")
        return rows

    async def _register(self) -> None:
        db = await connect(self._database_url)
        key = address_of(KEY)
        await service.register_meter(
            db, Meter(METER, key, "home", None, 1, "mqtt", "gridtrace-signed", "t", key, 50_000)
        )
        await db.close()

    async def _round(self, step: Step | str, row: Row) -> None:
        mine, theirs = FORK.Pipe(duplex=False)

        async def listen() -> None:
            self._hear(mine, row)

        await until_dead(live, step, self._database_url, self._folder, theirs, meanwhile=listen)
        self._hear(mine, row)
        mine.close()
        theirs.close()

    def _hear(self, said: Pipe, row: Row) -> None:
        while said.poll():
            try:
                kind, what = said.recv()
            except EOFError:
                return
            if kind == "kept":
                self._kept = max(self._kept, what)
            else:
                again = sum(counter in self._seen or state is not Taken.VALIDATED for counter, state in what)
                row.doubled += again
                self._seen |= {counter for counter, _ in what}

    async def _judge(self, row: Row) -> None:
        """Empties the buffer, then looks at all that is in the database."""
        mine, theirs = FORK.Pipe(duplex=False)
        process = FORK.Process(target=live, args=("", self._database_url, self._folder, theirs), daemon=True)
        process.start()
        end_s = asyncio.get_running_loop().time() + LIMIT_S
        while process.is_alive() and asyncio.get_running_loop().time() < end_s:
            self._hear(mine, row)
            await asyncio.sleep(0.005)
        self._hear(mine, row)
        process.kill()
        process.join()
        db = await connect(self._database_url)
        counters = [r["counter"] for r in await db.fetch("select counter from telemetry.readings order by counter")]
        invalid = await db.fetchval("select count(*) from telemetry.readings where state <> 'VALIDATED'")
        position = await db.fetchval("select position from telemetry.buffers")
        newest = await db.fetchval("select counter from telemetry.latest where meter_id = $1", METER)
        await db.close()
        row.lost += len(set(range(1, self._kept + 1)) - set(counters))
        row.differences += invalid + len(set(range(1, max(counters, default=0) + 1)) - set(counters))
        row.differences += (newest != max(counters, default=None)) + (position != _end_of(self._folder))


def _end_of(folder: Path) -> int:
    return max(int(path.stem) + path.stat().st_size for path in folder.glob("*.records"))
