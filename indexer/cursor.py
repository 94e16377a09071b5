"""How far a chain is indexed: moves in the transaction that writes the rows."""

import json
from dataclasses import dataclass
from typing import Final

from indexer.db import Connection, queries

SQL = queries(__name__)
CHANNEL: Final = "gridtrace_block"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last indexed block of a chain."""

    chain_id: int
    number: int
    hash: bytes
    finalized: int = 0
    """Blocks up to here are indexed and cannot change any more."""
    safe: int = 0
    head: int = 0
    """The chain's head when this was written."""
    epoch: int = 0
    """Count of reorgs that removed rows."""
    events: int = 0
    state: str = "running"
    reason: str | None = None


async def load(db: Connection, chain_id: int) -> Cursor | None:
    """None before the first block."""
    row = await db.fetchrow(SQL["load"], chain_id)
    return None if row is None else Cursor(**row)


async def save(db: Connection, cursor: Cursor) -> None:
    """Moves the cursor."""
    await db.execute(
        SQL["save"],
        cursor.chain_id,
        cursor.number,
        cursor.hash,
        cursor.finalized,
        cursor.safe,
        cursor.head,
        cursor.epoch,
        cursor.events,
        cursor.state,
        cursor.reason,
    )


async def hashes(db: Connection, chain_id: int, first: int, last: int) -> dict[int, bytes]:
    """Hashes of the indexed blocks in a range, by number."""
    rows = await db.fetch(SQL["hashes"], chain_id, first, last)
    return {row["number"]: row["hash"] for row in rows}


async def timestamp(db: Connection, chain_id: int, number: int) -> int | None:
    """Unix seconds of an indexed block."""
    value: int | None = await db.fetchval(SQL["timestamp"], chain_id, number)
    return value


async def notify(db: Connection, cursor: Cursor, timestamp_s: int | None, events: int, reorg_from: int | None) -> None:
    """Tells listeners of the new state; they hear it when, and only if, the transaction commits."""
    message = {
        "chain_id": cursor.chain_id,
        "number": cursor.number,
        "hash": "0x" + cursor.hash.hex(),
        "timestamp": timestamp_s,
        "events": events,
        "reorg_from": reorg_from,
        "epoch": cursor.epoch,
    }
    await db.execute(SQL["notify"], CHANNEL, json.dumps(message))
