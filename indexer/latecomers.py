"""Brings sources that were added later up to the cursor, a batch at a time, without a pause for the others."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from indexer import cursor as cursors
from indexer import facts, sources, state, templates
from indexer.block import Block
from indexer.chain import Chain
from indexer.cursor import Cursor
from indexer.db import Connection
from indexer.decode import UNKNOWN, decode
from indexer.errors import Disagreement
from indexer.logs import Logs, Segment
from indexer.manifest import Manifest
from indexer.sources import SQL, Source
from indexer.state import Projection
from indexer.watch import Watch

logger = logging.getLogger(__name__)

BATCH_EVENTS: Final = 60_000
BATCH_BLOCKS: Final = 2_000


class Latecomers:
    """The sources of one chain that are behind its cursor."""

    def __init__(self, db: Connection, chain: Chain, manifest: Manifest) -> None:
        self._db = db
        self._chain = chain
        self._manifest = manifest
        self._late: list[Source] | None = None

    async def step(self, cursor: Cursor, watch: Watch) -> Cursor:
        """Indexes the next batch of what is furthest behind; what reaches the cursor is in ``watch`` afterwards.

        Returns:
            The cursor with the events counted; the same one where nothing is late.

        Raises:
            Disagreement, RpcRefused, RpcUnavailable: nothing was written; a later step may succeed.
        """
        if self._late is None:
            self._late = await sources.late(self._db, self._manifest)
        if not self._late:
            return cursor
        group, first, last = furthest_behind(self._late, cursor.number)
        self._late = None
        only = await sources.watch_only(self._db, self._manifest, group)
        segment = await self._read(only, first, last) if first <= last else None
        reached = last if segment is None else segment.last.number
        joins = reached >= cursor.number
        async with self._db.transaction():
            count = 0 if segment is None else await self._write(only, segment)
            moved = replace(cursor, events=cursor.events + count)
            await self._note(group, None if joins else reached + 1)
            if joins:
                await self._join(group, moved)
            await cursors.save(self._db, moved)
        logger.info("late events indexed tables=%d number=%d events=%d", len(group), reached, count)
        if joins:
            watch.become(await sources.open_watch(self._db, self._manifest))
        return moved

    async def rewind(self, ancestor: int) -> None:
        """Takes part in a reorg's transaction."""
        self._late = None
        await sources.rewind(self._db, self._manifest.chain_id, ancestor)

    async def _read(self, only: Watch, first: int, last: int) -> Segment:
        blocks: list[Block] = []
        logs: list[Logs] = []
        last = min(last, first + BATCH_BLOCKS - 1)
        async with aclosing(self._chain.history(first, last, only)) as segments:
            async for segment in segments:
                blocks += segment.blocks
                logs.append(segment.logs)
                if sum(map(len, logs)) >= BATCH_EVENTS:
                    break
        return Segment(tuple(blocks), Logs.concat(logs))

    async def _write(self, only: Watch, segment: Segment) -> int:
        """Appends the facts; returns how many logs they are."""
        db, chain_id = self._db, self._manifest.chain_id
        ours = await cursors.hashes(db, chain_id, segment.first.number, segment.last.number)
        if other := next((b for b in segment.blocks if ours.get(b.number, b.hash) != b.hash), None):
            raise Disagreement(f"block {other.number} is not the one that is indexed")
        decoded = decode(segment.logs, only.directory)
        absent = {row["number"] for row in await db.fetch(SQL["missing"], chain_id, [b.number for b in segment.blocks])}
        await facts.write_late(db, chain_id, segment, decoded, absent)
        return len(segment.logs)

    async def _note(self, group: Sequence[Source], next_block: int | None) -> None:
        tables, emitters = [s.table for s in group], [s.emitter for s in group]
        await self._db.execute(SQL["move"], self._manifest.chain_id, tables, emitters, next_block)

    async def _join(self, group: Sequence[Source], cursor: Cursor) -> None:
        """State anew for every key that the new facts touch; the keys' other facts are folded again with them."""
        db, chain_id, manifest = self._db, cursor.chain_id, self._manifest
        tables = {source.table for source in group}
        await facts.index_tables(db, manifest, tables)
        everything = (*state.usable(manifest.tables), *templates.of(manifest))
        affected = fed_by(everything, tables)
        first = min(source.start_block for source in group)
        keys = await state.touched(db, affected, chain_id, first)
        await state.unfold(db, affected, chain_id, first, keys)
        for projection in affected:
            keys_or_all = () if projection.unfold else (None,)
            await db.execute(projection.fold, chain_id, first, cursor.number, *keys_or_all)
        events = manifest.tables
        signed = [s for s in group if s.emitter and not events[s.table].anonymous]
        emitters, topics = [s.emitter for s in signed], [events[s.table].topic for s in signed]
        await db.execute(SQL["now_decoded"], chain_id, UNKNOWN, emitters, topics)
        time_s = await cursors.timestamp(db, chain_id, cursor.number)
        await cursors.notify(db, cursor, time_s, 0, None)


def furthest_behind(late: Sequence[Source], number: int) -> tuple[list[Source], int, int]:
    """The sources to go on with, and the blocks that they alone lack."""
    first = min(source.next_block or 0 for source in late)
    group = [source for source in late if source.next_block == first]
    others = [source.next_block - 1 for source in late if source.next_block is not None and source.next_block > first]
    return group, first, min([number, *others])


def fed_by(projections: Iterable[Projection], tables: Iterable[str]) -> list[Projection]:
    """The projections that read some tables, directly or through each other, in their order."""
    changed, found = set(tables), []
    for projection in projections:
        if not changed.isdisjoint(projection.sources):
            found.append(projection)
            changed.add(projection.name)
    return found
