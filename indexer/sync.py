"""The one loop that keeps the mirror: each step looks at the chain, does one thing, and says what it was.

All of a step's writes are one transaction with the cursor in it, on the connection that holds the chain's lock:
whatever is killed, and whenever, the next step starts from what is committed.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from indexer import cursor as cursors
from indexer import facts, state
from indexer.block import Block, Segment, Tip
from indexer.chain import Chain
from indexer.cursor import Cursor
from indexer.db import Connection
from indexer.decode import decode
from indexer.errors import Disagreement
from indexer.lineage import check_links, common_ancestor
from indexer.manifest import Manifest

logger = logging.getLogger(__name__)

BACKFILL_GAP: Final = 8
"""Further behind than this, blocks are read in ranges."""
REORG_WINDOW: Final = 512
"""A head that moves back further is a sick endpoint, not a reorg."""
SEARCH_STEP: Final = 64
BATCH_EVENTS: Final = 60_000
BATCH_BLOCKS: Final = 2_000


@dataclass(frozen=True, slots=True)
class NothingNew:
    """The mirror stands at the chain's head."""

    number: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """Blocks were indexed."""

    first: int
    last: int
    events: int
    head: int


@dataclass(frozen=True, slots=True)
class Reorg:
    """Blocks after ``ancestor`` were orphaned and are removed; the next steps index their successors."""

    ancestor: int
    depth: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """The endpoint is behind the mirror on the same chain, or further behind than a reorg can be."""

    ours: int
    theirs: int


@dataclass(frozen=True, slots=True)
class Halted:
    """Indexing stopped: going on would remove what was final."""

    reason: str


Outcome: TypeAlias = NothingNew | Advanced | Reorg | Ahead | Halted


class Sync:
    """Mirrors one chain over one connection."""

    def __init__(self, db: Connection, chain: Chain, manifest: Manifest) -> None:
        self._db = db
        self._chain = chain
        self._manifest = manifest
        self._events = manifest.lookup()
        self._projections = state.usable(manifest.tables)
        self.cursor: Cursor | None = None

    async def step(self) -> Outcome:
        """Does the next thing there is to do.

        Raises:
            Disagreement, RpcRefused, RpcUnavailable: nothing was written; a later step may succeed.
        """
        cursor = self.cursor
        if cursor is None or cursor.state == "halted":
            # A halted chain is looked at afresh: an operator may have released it.
            cursor = self.cursor = await self._resume()
        if cursor is None:
            return NothingNew(self._manifest.start_block - 1)
        if cursor.state == "halted":
            return await self._halted(cursor)
        tip, following = await self._chain.look(cursor.number + 1)
        if tip.head.number < cursor.number:
            return await self._behind(cursor, tip)
        if tip.head.number == cursor.number:
            return NothingNew(cursor.number) if tip.head.hash == cursor.hash else await self._reorg(cursor, tip)
        if following is None:
            raise Disagreement(f"the head is {tip.head.number}, but there is no block {cursor.number + 1}")
        if following.first.parent_hash != cursor.hash:
            return await self._reorg(cursor, tip)
        if tip.head.number - cursor.number > BACKFILL_GAP:
            return await self._backfill(cursor, tip)
        return await self._advance([following], tip)

    async def _resume(self) -> Cursor | None:
        """Where to go on; None while the chain has not reached the first block to be indexed."""
        chain_id, start = self._manifest.chain_id, self._manifest.start_block
        if found := await cursors.load(self._db, chain_id):
            return found
        before = await self._hash_before(start)
        return None if before is None else Cursor(chain_id, start - 1, before)

    async def _hash_before(self, number: int) -> bytes | None:
        headers = await self._chain.headers([number])
        return headers[0].parent_hash if headers else None

    async def _backfill(self, cursor: Cursor, tip: Tip) -> Outcome:
        """Reads up to the head; one batch is written while the next is fetched."""
        done, pending, waiting = 0, list[Segment](), 0
        async with (
            _Writer() as writer,
            aclosing(self._chain.history(cursor.number + 1, tip.head.number)) as segments,
        ):
            async for segment in segments:
                pending.append(segment)
                waiting += len(segment.logs)
                blocks = segment.last.number - pending[0].first.number + 1
                if waiting >= BATCH_EVENTS or blocks >= BATCH_BLOCKS:
                    done += await writer.hand_over(self._advance(pending, tip))
                    pending, waiting = [], 0
            if pending:
                done += await writer.hand_over(self._advance(pending, tip))
            done += await writer.finish()
        return Advanced(cursor.number + 1, tip.head.number, done, tip.head.number)

    async def _advance(self, segments: Sequence[Segment], tip: Tip) -> Advanced:
        """Commits consecutive segments: facts, state, blocks, cursor, notice."""
        cursor = self.cursor
        assert cursor is not None
        segment = segments[0] if len(segments) == 1 else _joined(segments)
        self._check_follows(cursor, segment)
        decoded = decode(segment.logs, self._events)
        last = segment.last
        behind = tip.head.number - last.number > BACKFILL_GAP
        moved = replace(
            cursor,
            number=last.number,
            hash=last.hash,
            finalized=max(cursor.finalized, min(tip.finalized, last.number)),
            safe=max(cursor.safe, min(tip.safe, last.number)),
            head=max(tip.head.number, last.number),
            events=cursor.events + len(segment.logs),
            state="backfilling" if behind else "running",
        )
        async with self._db.transaction():
            grown = await facts.write(self._db, cursor.chain_id, segment, decoded)
            await state.fold(self._db, self._projections, cursor.chain_id, segment.first.number, last.number, grown)
            await cursors.save(self._db, moved)
            await cursors.notify(self._db, moved, last.timestamp, len(segment.logs), None)
        self.cursor = moved
        for undecoded in decoded.undecoded:
            log = undecoded.log
            logger.info("log kept undecoded tx=%s reason=%s", log.transaction_hash, undecoded.reason)
        return Advanced(segment.first.number, last.number, len(segment.logs), tip.head.number)

    @staticmethod
    def _check_follows(cursor: Cursor, segment: Segment) -> None:
        if segment.first.number != cursor.number + 1 or segment.first.parent_hash != cursor.hash:
            raise Disagreement(f"block {segment.first.number} does not follow block {cursor.number}")

    async def _behind(self, cursor: Cursor, tip: Tip) -> Outcome:
        head = tip.head
        if cursor.number - head.number <= REORG_WINDOW and head.number >= self._manifest.start_block:
            ours = await cursors.hashes(self._db, cursor.chain_id, head.number, head.number)
            if ours.get(head.number) != head.hash:
                return await self._reorg(cursor, tip)
        return Ahead(cursor.number, head.number)

    async def _reorg(self, cursor: Cursor, tip: Tip) -> Outcome:
        """Goes back to the last block that both chains share."""
        if await self._is_ours(cursor):
            raise Disagreement(f"the endpoint has our block {cursor.number}, and another chain without it")
        ancestor, block_hash = await self._ancestor(cursor, tip)
        if ancestor is None:
            return await self._halt(cursor, f"the chain was replaced below its finalised block {cursor.finalized}")
        first, db = ancestor + 1, self._db
        async with db.transaction():
            keys = await state.touched(db, self._projections, cursor.chain_id, first)
            removed = await facts.erase(db, self._manifest, first)
            await state.unfold(db, self._projections, cursor.chain_id, first, keys)
            moved = replace(
                cursor,
                number=ancestor,
                hash=block_hash,
                safe=min(cursor.safe, ancestor),
                head=tip.head.number,
                epoch=cursor.epoch + 1,
                events=cursor.events - removed,
            )
            await cursors.save(db, moved)
            time_s = await cursors.timestamp(db, cursor.chain_id, ancestor)
            await cursors.notify(db, moved, time_s, 0, first)
        self.cursor = moved
        return Reorg(ancestor, cursor.number - ancestor)

    async def _ancestor(self, cursor: Cursor, tip: Tip) -> tuple[int | None, bytes]:
        """Number and hash of the last shared block that is not below the finalised one."""
        start = self._manifest.start_block
        floor = max(cursor.finalized, start)
        top = min(cursor.number, tip.head.number)
        while top >= floor:
            bottom = max(floor, top - SEARCH_STEP + 1)
            theirs = {b.number: b.hash for b in await self._chain.headers(range(bottom, top + 1))}
            ours = await cursors.hashes(self._db, cursor.chain_id, bottom, top)
            if (found := common_ancestor(ours, theirs)) is not None:
                return found, ours[found]
            top = bottom - 1
        if cursor.finalized >= start:
            return None, b""
        before = await self._hash_before(start)
        if before is None:
            raise Disagreement(f"block {start} is gone")
        return start - 1, before

    async def _is_ours(self, cursor: Cursor) -> bool:
        """Whether the endpoint has the last block that we have."""
        return [block.hash for block in await self._chain.headers([cursor.number])] == [cursor.hash]

    async def _halted(self, cursor: Cursor) -> Outcome:
        """Goes on by itself where the chain is the mirrored one again: nothing was removed."""
        if not await self._is_ours(cursor):
            return Halted(cursor.reason or "")
        self.cursor = replace(cursor, state="running", reason=None)
        async with self._db.transaction():
            await cursors.save(self._db, self.cursor)
        logger.warning("the mirrored chain is back, going on number=%d", cursor.number)
        return NothingNew(cursor.number)

    async def _halt(self, cursor: Cursor, reason: str) -> Halted:
        halted = replace(cursor, state="halted", reason=reason)
        async with self._db.transaction():
            await cursors.save(self._db, halted)
        self.cursor = halted
        return Halted(reason)


class _Writer:
    """Runs one write at a time beside its caller, and leaves none behind."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Advanced] | None = None

    async def __aenter__(self) -> "_Writer":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._task is None:
            return
        if kind is not None and not issubclass(kind, Exception):
            self._task.cancel()
        # What was handed over is whole and may be committed; the caller's fault is the one to tell of.
        await asyncio.gather(self._task, return_exceptions=True)

    async def hand_over(self, work: Coroutine[Any, Any, Advanced]) -> int:
        """Starts a write once the one before is done; returns the events of that one."""
        try:
            done = await self.finish()
        except BaseException:
            work.close()
            raise
        self._task = asyncio.create_task(work)
        return done

    async def finish(self) -> int:
        """Waits for the write that runs; returns its events."""
        if self._task is None:
            return 0
        task, self._task = self._task, None
        return (await task).events


def _joined(segments: Sequence[Segment]) -> Segment:
    blocks: list[Block] = [block for segment in segments for block in segment.blocks]
    check_links(blocks)
    return Segment(tuple(blocks), tuple(log for segment in segments for log in segment.logs))
