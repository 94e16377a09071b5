"""The one loop that keeps the mirror: each step looks at the chain, does one thing, and says what it was.

All of a step's writes are one transaction with the cursor in it, on the connection that holds the chain's lock:
whatever is killed, and whenever, the next step starts from what is committed.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from indexer import cursor as cursors
from indexer import facts, intervals, sources, state, templates
from indexer.block import Block, Tip
from indexer.chain import Chain
from indexer.cursor import Cursor
from indexer.db import Connection
from indexer.decode import Decoded, decode
from indexer.errors import Disagreement
from indexer.extension import Extension
from indexer.latecomers import Latecomers
from indexer.lineage import check_links, common_ancestor
from indexer.logs import Logs, Segment
from indexer.manifest import Manifest
from indexer.pipeline import Work, Writer
from indexer.rewind import rewind
from indexer.watch import Watch

logger = logging.getLogger(__name__)

BACKFILL_GAP: Final = 8
"""Further behind than this, blocks are read in ranges."""
REORG_WINDOW: Final = 512
"""A head that moves back further is a sick endpoint, not a reorg."""
SEARCH_STEP: Final = 64
BATCH_EVENTS: Final = 30_000
BATCH_BLOCKS: Final = 2_000
BATCHES_WAITING: Final = 1
"""So many are ready while one is written: more would only cost memory."""


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
class Supplemented:
    """Something that was added later has come nearer to the cursor."""

    events: int


@dataclass(frozen=True, slots=True)
class Halted:
    """Indexing stopped: going on would remove what was final."""

    reason: str


Outcome: TypeAlias = NothingNew | Advanced | Reorg | Ahead | Supplemented | Halted


class Sync:
    """Mirrors one chain over one connection."""

    def __init__(
        self,
        db: Connection,
        chain: Chain,
        manifest: Manifest,
        extensions: Sequence[Extension] = (),
        tell: Callable[[Outcome], None] | None = None,
    ) -> None:
        """
        Args:
            tell: hears every outcome; of a long stretch, that of each batch as it is committed.
        """
        self._db = db
        self._chain = chain
        self._manifest = manifest
        self._extensions = extensions
        self._tell = tell
        self._told = False
        self._watch: Watch | None = None
        self._late = Latecomers(db, chain, manifest)
        self._projections = (*state.usable(manifest.tables), *templates.of(manifest))
        self.cursor: Cursor | None = None

    async def step(self) -> Outcome:
        """Does the next thing there is to do.

        Raises:
            Disagreement, RpcRefused, RpcUnavailable: nothing was written; a later step may succeed.
        """
        self._told = False
        try:
            outcome = await self._step()
        except BaseException:
            for extension in self._extensions:
                extension.forget()
            raise
        if self._tell and not self._told:
            self._tell(outcome)
        return outcome

    async def _step(self) -> Outcome:
        cursor = self.cursor
        if cursor is None or cursor.state == "halted":
            # A halted chain is looked at afresh: an operator may have released it.
            epoch = None if cursor is None else cursor.epoch
            cursor = self.cursor = await self._resume()
            if cursor is None or cursor.epoch != epoch:
                # Another process has taken blocks out.
                self._watch, self._late = None, Latecomers(self._db, self._chain, self._manifest)
                for extension in self._extensions:
                    extension.forget()
        if cursor is None:
            return NothingNew(self._manifest.start_block - 1)
        if cursor.state == "halted":
            return await self._halted(cursor)
        watch = await self._watched(cursor)
        tip, following = await self._chain.look(cursor.number + 1, watch)
        if tip.head.number < cursor.number:
            return await self._behind(cursor, tip)
        if tip.head.number == cursor.number:
            if tip.head.hash != cursor.hash:
                return await self._reorg(cursor, tip)
            return await self._supplement(cursor, watch) or NothingNew(cursor.number)
        if following is None:
            raise Disagreement(f"the head is {tip.head.number}, but there is no block {cursor.number + 1}")
        if following.first.parent_hash != cursor.hash:
            return await self._reorg(cursor, tip)
        if tip.head.number - cursor.number > BACKFILL_GAP:
            return await self._backfill(cursor, tip, watch)
        advanced = await self._ready([following], tip, watch)()
        assert self.cursor is not None
        await self._supplement(self.cursor, watch)
        return advanced

    async def _watched(self, cursor: Cursor) -> Watch:
        """What is watched as of the cursor: what an unfinished step found is forgotten."""
        if self._watch is None:
            self._watch = await sources.open_watch(self._db, self._manifest)
        self._watch.rollback(cursor.number)
        return self._watch

    async def _supplement(self, cursor: Cursor, watch: Watch) -> Supplemented | None:
        """One batch of what was added later; None where nothing is left of it."""
        self.cursor = await self._late.step(cursor, watch)
        if self.cursor is cursor:
            return None
        return Supplemented(self.cursor.events - cursor.events)

    async def _resume(self) -> Cursor | None:
        """Where to go on; None while the chain has not reached the first block to be indexed."""
        chain_id, start = self._manifest.chain_id, self._manifest.start_block
        if found := await cursors.load(self._db, chain_id):
            return found
        before = await self._hash_before(start)
        return None if before is None else Cursor(chain_id, start - 1, before)

    async def _hash_before(self, number: int) -> bytes | None:
        """The hash of the block before one; None where the chain is not that long."""
        tip, _ = await self._chain.look(number, Watch(self._manifest))
        if tip.head.number < number:
            return None
        headers = await self._chain.headers([number])
        if not headers:
            raise Disagreement(f"the head is {tip.head.number}, but there is no block {number}")
        return headers[0].parent_hash

    async def _backfill(self, cursor: Cursor, tip: Tip, watch: Watch) -> Outcome:
        """Reads up to the head; one batch is written while the next ones are fetched and decoded."""
        done, pending, waiting = 0, list[Segment](), 0
        async with (
            Writer[Advanced](BATCHES_WAITING) as writer,
            aclosing(self._chain.history(cursor.number + 1, tip.head.number, watch)) as segments,
        ):
            async for segment in segments:
                pending.append(segment)
                waiting += len(segment.logs)
                blocks = segment.last.number - pending[0].first.number + 1
                if waiting >= BATCH_EVENTS or blocks >= BATCH_BLOCKS:
                    done += self._written(await writer.hand_over(self._ready(pending, tip, watch)))
                    pending, waiting = [], 0
            if pending:
                done += self._written(await writer.hand_over(self._ready(pending, tip, watch)))
            done += self._written(await writer.finish())
        return Advanced(cursor.number + 1, tip.head.number, done, tip.head.number)

    def _written(self, batches: Sequence[Advanced]) -> int:
        if batches and self._tell:
            for advanced in batches:
                self._tell(advanced)
            self._told = True
        return sum(advanced.events for advanced in batches)

    def _ready(self, segments: Sequence[Segment], tip: Tip, watch: Watch) -> Work[Advanced]:
        """Consecutive segments, decoded at once, to be committed when it is their turn."""
        segment = segments[0] if len(segments) == 1 else _joined(segments)
        decoded = decode(segment.logs, watch.directory)
        if every := self._manifest.options.block_interval:
            decoded = intervals.added(decoded, every, segment.blocks)
        return partial(self._commit, segment, decoded, tip)

    async def _commit(self, segment: Segment, decoded: Decoded, tip: Tip) -> Advanced:
        """Commits blocks that follow the cursor: facts, state, blocks, cursor, notice."""
        cursor = self.cursor
        assert cursor is not None
        self._check_follows(cursor, segment)
        first, last = segment.first.number, segment.last
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
        db, chain_id = self._db, cursor.chain_id
        async with db.transaction():
            await facts.write(db, chain_id, segment, decoded)
            await state.fold(db, self._projections, chain_id, first, last.number, decoded.rows)
            for extension in self._extensions:
                await extension.advance(db, chain_id, segment, decoded, moved.finalized)
            await cursors.save(db, moved)
            await cursors.notify(db, moved, last.timestamp, len(segment.logs), None)
        self.cursor = moved
        for undecoded in decoded.undecoded:
            log = undecoded.log
            logger.info("log kept undecoded tx=0x%s reason=%s", log.transaction_hash.hex(), undecoded.reason)
        return Advanced(first, last.number, len(segment.logs), tip.head.number)

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
            ours = (await cursors.hashes(self._db, cursor.chain_id, cursor.finalized, cursor.finalized)).values()
            if [True for block_hash in ours if await self._chain.vouch(cursor.finalized, block_hash)]:
                raise Disagreement(f"an endpoint had another chain below the finalised block {cursor.finalized}")
            return await self._halt(cursor, f"the chain was replaced below its finalised block {cursor.finalized}")
        moved = replace(cursor, number=ancestor, hash=block_hash, head=tip.head.number)
        self.cursor = await rewind(
            self._db, self._manifest, self._projections, self._extensions, moved, self._late.rewind
        )
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
        released = replace(cursor, state="running", reason=None)
        async with self._db.transaction():
            await self._db.execute(cursors.SQL["lock_cursor"], cursor.chain_id)
            if await cursors.load(self._db, cursor.chain_id) != cursor:
                return Halted(cursor.reason or "")  # released in the meantime: the next step goes on from there
            await cursors.save(self._db, released)
        self.cursor = released
        logger.warning("the mirrored chain is back, going on number=%d", cursor.number)
        return NothingNew(cursor.number)

    async def _halt(self, cursor: Cursor, reason: str) -> Halted:
        halted = replace(cursor, state="halted", reason=reason)
        async with self._db.transaction():
            await cursors.save(self._db, halted)
        self.cursor = halted
        return Halted(reason)


def _joined(segments: Sequence[Segment]) -> Segment:
    blocks: list[Block] = [block for segment in segments for block in segment.blocks]
    check_links(blocks)
    return Segment(tuple(blocks), Logs.concat([segment.logs for segment in segments]))
