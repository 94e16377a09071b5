"""State made again from facts, without a request to the chain: in one transaction, so that readers go on seeing the
old state until the new one is whole.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from indexer.batch import Column, Part
from indexer.db import Connection, queries
from indexer.event import BASE_COLUMNS, Event
from indexer.manifest import INTERVAL, Manifest

if TYPE_CHECKING:
    from indexer.handlers import Handlers, Running

logger = logging.getLogger(__name__)

SQL = queries(__name__)
EVENTS_AT_ONCE: Final = 50_000
FIRST_STRETCH: Final = 100


async def handlers_if_changed(
    db: Connection, manifest: Manifest, running: "Running", handlers: "Handlers", bound: Mapping[str, Event]
) -> bool:
    """Makes the entities again where the handlers or their contracts changed; whether it did. Needs a transaction."""
    chain_id = manifest.chain_id
    addresses = [row["address"] for row in await db.fetch(SQL["addresses"], chain_id)]
    sources = b"".join([*sorted(table.encode() + b"\0" for table in bound), *addresses])
    if INTERVAL.table in bound:
        sources += f"every {manifest.options.block_interval}".encode()
    digest = f"{handlers.digest}-{hashlib.sha256(sources).hexdigest()[:16]}"
    if await db.fetchval(SQL["known"], chain_id) == digest:
        return False
    for entity in handlers.entities.values():
        await entity.clear(db, chain_id)
    standing = await db.fetchrow(SQL["standing"], chain_id)
    if standing is not None:
        logger.info("handlers changed chain=%d: making their entities again from the facts", chain_id)
        await _run_again(db, chain_id, running, bound, standing["block_number"], standing["finalized_number"])
    await db.execute(SQL["made"], chain_id, digest)
    return True


class Remaking:
    """Handlers whose entities are made again from the facts when blocks are taken out.

    For what reaches below the finalised block: how entities were there is not kept.
    """

    def __init__(self, manifest: Manifest, running: "Running", handlers: "Handlers") -> None:
        self._running = running
        self._handlers = handlers
        self._bound = running.bind(manifest)

    async def rewind(self, db: Connection, chain_id: int, first: int) -> None:
        """As the port says."""
        self._running.forget()
        for entity in self._handlers.entities.values():
            await db.execute(entity.statements.ddl)
            await entity.clear(db, chain_id)
        await _run_again(db, chain_id, self._running, self._bound, first - 1, first - 1)


async def _run_again(
    db: Connection, chain_id: int, running: "Running", bound: Mapping[str, Event], last: int, finalized: int
) -> None:
    first = await _first_block(db, chain_id, bound)
    size, done = FIRST_STRETCH, 0
    while first is not None and first <= last:
        end = min(first + size - 1, last, finalized) if first <= finalized else last
        rows = await db.fetch(SQL["blocks"], chain_id, first, end)
        blocks = {row["number"]: (row["time"], row["hash"]) for row in rows}
        count = 0

        async def parts(start: int, stop: int) -> list[Part]:
            nonlocal count
            found = [
                p for event in bound.values() if (p := await _stored(db, chain_id, event, start, stop)) is not None
            ]
            count += sum(map(len, found))
            return found

        await running.run(db, chain_id, first, end, finalized, parts, blocks)
        done += count
        size = max(1, min(2 * size, size * EVENTS_AT_ONCE // max(count, 1)))
        first = end + 1
    logger.info("handlers ran again chain=%d events=%d", chain_id, done)


async def _first_block(db: Connection, chain_id: int, bound: Mapping[str, Event]) -> int | None:
    found = [
        await db.fetchval(f'select min(block_number) from blockchain."{table}" where chain_id = $1', chain_id)  # noqa: S608
        for table in bound
    ]
    return min((number for number in found if number is not None), default=None)


async def _stored(db: Connection, chain_id: int, event: Event, first: int, last: int) -> Part | None:
    """The facts of an event in a range of blocks, as handlers see them."""
    columns = ", ".join(f'"{column}"' for column in event.columns)
    rows = await db.fetch(
        f'select {columns} from blockchain."{event.table}" '  # noqa: S608
        "where chain_id = $1 and block_number between $2 and $3 order by block_number, log_index",
        chain_id,
        first,
        last,
    )
    if not rows:
        return None
    place = len(BASE_COLUMNS)
    return Part(
        event,
        np.array([row["block_number"] for row in rows], dtype=np.int64),
        np.array([row["log_index"] for row in rows], dtype=np.int64),
        [row["transaction_hash"] for row in rows],
        [row["emitter"] for row in rows],
        lambda at: _column(rows, place + at),
    )


def _column(rows: Sequence[Any], position: int) -> Column:
    values = [row[position] for row in rows]
    return [int(value) for value in values] if isinstance(values[0], Decimal) else values
