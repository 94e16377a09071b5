"""Letting a halted chain go on: what the chain has replaced is dropped, back to a block that both share."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexer import cursor as cursors
from indexer import state, templates
from indexer.chain import Chain
from indexer.cursor import Cursor
from indexer.db import Connection
from indexer.errors import GridtraceError
from indexer.extension import Rewinding
from indexer.manifest import Manifest
from indexer.rewind import rewind

logger = logging.getLogger(__name__)


class NotHalted(GridtraceError):
    """The chain is not halted: there is nothing to resolve."""

    code = "not-halted"


class BadAncestor(GridtraceError):
    """The block cannot be gone back to."""

    code = "bad-ancestor"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was done."""

    before: Cursor
    after: Cursor

    @property
    def blocks(self) -> int:
        return self.before.number - self.after.number

    @property
    def events(self) -> int:
        return self.before.events - self.after.events


async def resolve(
    db: Connection,
    chain: Chain,
    manifest: Manifest,
    number: int | None = None,
    extensions: Sequence[Rewinding] = (),
) -> Resolved:
    """Drops all blocks after ``number`` and releases the chain; a process that mirrors it goes on by itself.

    Args:
        number: the last block to stay; the last one that the chain still has where None.

    Raises:
        NotHalted: the chain is not halted, or was never indexed.
        BadAncestor: the block is not indexed, or the chain has another one.
    """
    async with db.transaction():
        await db.execute(cursors.SQL["lock_cursor"], manifest.chain_id)
        cursor = await cursors.load(db, manifest.chain_id)
        if cursor is None or cursor.state != "halted":
            raise NotHalted(f"chain {manifest.chain_id} is {'not indexed' if cursor is None else cursor.state}")
        ancestor, block_hash = await _ancestor(db, chain, manifest, cursor, number)
        moved = replace(
            cursor,
            number=ancestor,
            hash=block_hash,
            finalized=min(cursor.finalized, ancestor),
            state="running",
            reason=None,
        )
        projections = (*state.usable(manifest.tables), *templates.of(manifest))
        return Resolved(cursor, await rewind(db, manifest, projections, extensions, moved))


async def _ancestor(
    db: Connection, chain: Chain, manifest: Manifest, cursor: Cursor, number: int | None
) -> tuple[int, bytes]:
    low, high = manifest.start_block - 1, cursor.number if number is None else number
    if not low <= high <= cursor.number:
        raise BadAncestor(f"block {number} is not between {low} and {cursor.number}")
    if number is not None and number > low:
        low = number
    # Both share all blocks up to one, and none after it.
    while low < high:
        middle = (low + high + 1) // 2
        if await _shared(db, chain, cursor.chain_id, middle) is not None:
            low = middle
        else:
            high = middle - 1
    if low >= manifest.start_block:
        shared = await _shared(db, chain, cursor.chain_id, low)
        if shared is None:
            raise BadAncestor(f"the chain has another block {low}, or none")
        return low, shared
    headers = await chain.headers([manifest.start_block])
    if not headers:
        raise BadAncestor(f"the chain has no block {manifest.start_block}")
    return low, headers[0].parent_hash


async def _shared(db: Connection, chain: Chain, chain_id: int, number: int) -> bytes | None:
    """The hash of a block that both have."""
    ours = (await cursors.hashes(db, chain_id, number, number)).get(number)
    theirs = [block.hash for block in await chain.headers([number])]
    return ours if ours is not None and theirs == [ours] else None
