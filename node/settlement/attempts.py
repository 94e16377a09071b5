"""What was sent as the batches of a settlement, attempt by attempt, and what of it the mirrored chain has."""

from collections.abc import Sequence

import asyncpg

from indexer import read
from indexer.db import Connection, queries
from node import outbox
from node.settlement import batches, effects
from node.settlement.batches import BatchRow
from node.settlement.context import AttemptRevived

_SQL = queries(__name__)


async def first_missing(
    db: Connection, chain_id: int, row: asyncpg.Record, made: Sequence[BatchRow]
) -> tuple[BatchRow, read.Batch | None] | None:
    """The first batch that is not on chain, and what settled under its number; takes over where those before stand."""
    for batch in made:
        there = await read.settled_batch(db, chain_id, batch.sequence)
        if there is None or not await _is_ours(db, row, batch, there):
            return batch, there
        await _place(db, row, batch, there)
    return None


async def _place(db: Connection, row: asyncpg.Record, batch: BatchRow, there: read.Batch) -> None:
    """Takes over where a batch stands; the gas is known once the sender has the receipt."""
    known, place = (batch.transaction_hash, batch.block_number), (there.transaction_hash, there.block_number)
    if known == place and batch.gas_used is not None:
        return
    attempts = await attempts_of(db, row, batch.ordinal)
    gas_used = attempts[-1].gas_used if attempts else None
    if known != place or gas_used is not None:
        await batches.place(db, row["settlement_id"], batch, *place, gas_used)


async def _is_ours(db: Connection, row: asyncpg.Record, batch: BatchRow, there: read.Batch) -> bool:
    """Whether what settled under a batch's number is the batch.

    Raises:
        AttemptRevived: it is an earlier attempt at it, whose entries are not known any more.
    """
    if (there.delivery_start, there.version) != (row["delivery_start"], row["version"]):
        return False
    if there.transaction_hash == batch.transaction_hash:
        return True
    attempts = await attempts_of(db, row, batch.ordinal)
    hashes = {item["id"]: item["hashes"] for item in await db.fetch(_SQL["sent"], [item.id for item in attempts])}
    found = [status for status in attempts if there.transaction_hash in hashes[status.id]]
    if found and found[-1].id != attempts[-1].id:
        raise AttemptRevived(f"batch {batch.sequence} was settled by {found[-1].key}, which was given up")
    return bool(found)


async def are_refused(db: Connection, head: read.Head, row: asyncpg.Record, missing: Sequence[BatchRow]) -> bool:
    """Whether none of these batches can come on chain any more: their bytes must not find their number free.

    A transaction that reverted in a block is sent again when a reorganisation removes the block.
    """
    attempts = [await attempts_of(db, row, batch.ordinal) for batch in missing]
    last = [of_batch[-1] for of_batch in attempts if of_batch]
    return all(status.state == "failed" and (status.block_number or 0) <= head.finalized for status in last)


async def attempts_of(db: Connection, row: asyncpg.Record, ordinal: int) -> list[outbox.Status]:
    """What became of everything that was sent as this batch of a settlement."""
    found: list[outbox.Status] = []
    while (status := await outbox.find(db, key(row, ordinal, len(found)))) is not None:
        found.append(status)
    return found


def key(row: asyncpg.Record, ordinal: int, attempt: int) -> str:
    return effects.key(effects.SETTLE, row["zone"], row["delivery_start"], row["version"], attempt, ordinal)
