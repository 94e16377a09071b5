"""Taking blocks out again: facts, state, progress and cursor in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from indexer import cursor as cursors
from indexer import facts, sources, state
from indexer.cursor import Cursor
from indexer.db import Connection
from indexer.extension import Rewinding
from indexer.manifest import Manifest
from indexer.state import Projection


async def rewind(
    db: Connection,
    manifest: Manifest,
    projections: Sequence[Projection],
    extensions: Sequence[Rewinding],
    moved: Cursor,
    after: Callable[[int], Awaitable[None]] | None = None,
) -> Cursor:
    """Removes everything after the block on which ``moved`` stands; ends with ``moved`` saved and told.

    Args:
        after: what else goes back, given the last block that stays.

    Returns:
        The cursor as saved: with a new epoch, and without the removed events.
    """
    chain_id, first = moved.chain_id, moved.number + 1
    async with db.transaction():
        keys = await state.touched(db, projections, chain_id, first)
        removed = await facts.erase(db, manifest, first)
        await state.unfold(db, projections, chain_id, first, keys)
        for extension in extensions:
            await extension.rewind(db, chain_id, first)
        await (after(moved.number) if after else sources.rewind(db, chain_id, moved.number))
        saved = replace(moved, epoch=moved.epoch + 1, events=moved.events - removed, safe=min(moved.safe, moved.number))
        await cursors.save(db, saved)
        time_s = await cursors.timestamp(db, chain_id, moved.number)
        await cursors.notify(db, saved, time_s, 0, first)
    return saved
