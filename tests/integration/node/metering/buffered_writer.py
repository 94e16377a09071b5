"""A process that keeps readings on disk and says so, to be killed at any moment.

``python -m tests.integration.node.metering.buffered_writer DATABASE_URL FOLDER [empty]`` prints ``kept N`` once reading
N cannot be lost, and ``outcome STATE N`` for each that reached the database. With ``empty`` it only empties the buffer,
says so and ends.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.typed_data import Reading, address_of, reading_digest, sign
from indexer.clock import SimulatedClock
from indexer.db import open_pool, transaction
from node.metering import entries, service
from node.metering.buffer import Buffer
from node.metering.entries import Entry, ReadingEntry
from node.metering.readings import SignedReading
from node.metering.service import Outcome
from node.metering.spool import Spool

KEY = bytes(31) + b"\x31"
METER = 7
T = 1_718_000_000
BATCH = 3


def reading(number: int) -> ReadingEntry:
    said = Reading(METER, T + number, number, 2 * number, 0, 0)
    return ReadingEntry.of(SignedReading(said, sign(reading_digest(said), KEY), address_of(KEY)))


async def tell(_: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        print("outcome", outcome.state.value, outcome.counter, flush=True)


def last_kept(buffer: Buffer) -> int:
    records, _ = buffer.read(buffer.start, 10**9)
    found = [entries.decode(record) for record in records]
    return max((entry.counter for entry in found if isinstance(entry, ReadingEntry)), default=0)


async def main(database_url: str, folder: Path, *, only_empty: bool) -> None:
    async with open_pool(database_url, size=2) as pool:
        async with transaction(pool) as db:
            stored = await service.latest(db, [METER])
        buffer = Buffer(folder, 1 << 20, segment_bytes=2_000)
        spool = Spool(buffer, pool, SimulatedClock(0, T + 10**6, 1), 900, tell)
        number = max(last_kept(buffer), stored[METER].counter if stored else 0)
        async with asyncio.TaskGroup() as group:
            draining = group.create_task(spool.run())
            if only_empty:
                await spool.drained()
                print("empty", flush=True)
                draining.cancel()
                return
            while True:
                await spool.keep([reading(number + place + 1) for place in range(BATCH)])
                number += BATCH
                print("kept", number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), only_empty=len(sys.argv) > 3))
