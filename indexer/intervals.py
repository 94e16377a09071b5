"""Every so many blocks, one is noted by itself: a fact like an event's, so that handlers hear of it in chain order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from indexer.block import Block
from indexer.db import Connection, queries
from indexer.decode import Decoded, Rows
from indexer.logs import ADDRESS, LARGEST_INDEX, WORD
from indexer.manifest import INTERVAL, Manifest

SQL = queries(__name__)
AFTER_ALL_LOGS: Final = LARGEST_INDEX
"""In place of a log's index: state is that at the end of the block."""


def added(decoded: Decoded, every: int, blocks: Sequence[Block]) -> Decoded:
    """The decoded logs, and the blocks whose number is a multiple of ``every``."""
    chosen = [block for block in blocks if block.number % every == 0]
    return replace(decoded, rows=(*decoded.rows, _rows(chosen))) if chosen else decoded


def _rows(blocks: Sequence[Block]) -> Rows:
    count = len(blocks)
    return Rows(
        event=INTERVAL,
        block_number=np.array([block.number for block in blocks], dtype=np.int64),
        log_index=np.full(count, AFTER_ALL_LOGS, dtype=np.int64),
        transaction_hash=np.zeros((count, WORD), dtype=np.uint8),
        emitter=np.zeros((count, ADDRESS), dtype=np.uint8),
        values=(np.frombuffer(b"".join(block.hash for block in blocks), dtype=np.uint8).reshape(count, WORD),),
    )


async def settle(db: Connection, manifest: Manifest) -> None:
    """The interval's rows of all indexed blocks, as they would be had it always been this one. Safe to repeat."""
    every = manifest.options.block_interval
    await db.execute(SQL["remove"], manifest.chain_id, every)
    if every is not None:
        await db.execute(SQL["add"], manifest.chain_id, every, manifest.start_block, AFTER_ALL_LOGS)
