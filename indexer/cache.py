"""Final blocks on disk, so that indexing them again asks the chain for nothing but one header.

A folder per chain and filter, in it one file per stretch, named by its first and last block. Only blocks that the
chain calls final are ever written. A file that is damaged, or that the chain contradicts, is named and not read.
"""

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from indexer.block import Block, Tip
from indexer.chain import Chain
from indexer.logs import Logs, Segment
from indexer.segment_file import BadSegment, last_block, pack, unpack
from indexer.watch import Watch

logger = logging.getLogger(__name__)

SUFFIX: Final = ".seg"
FILE_LOGS: Final = 25_000
FILE_BLOCKS: Final = 2_000
LEAST_BLOCKS: Final = 32
"""Shorter stretches are not worth a file."""
TRIM_TO: Final = 0.9


class Cache:
    """The files."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._rejected: set[Path] = set()

    def files(self, key: str) -> list[tuple[int, int, Path]]:
        """First and last block of every file that may be read, in order."""
        found = []
        for path in (self._folder / key).glob(f"*{SUFFIX}"):
            first, _, last = path.stem.partition("-")
            if first.isdigit() and last.isdigit() and path not in self._rejected:
                found.append((int(first), int(last), path))
        return sorted(found)

    def run(self, key: str, first: int, last: int) -> list[tuple[int, int, Path]]:
        """Files that follow each other from the one with block ``first`` on, none reaching beyond ``last``."""
        found: list[tuple[int, int, Path]] = []
        following = first
        for start, end, path in self.files(key):
            if start <= following <= end <= last:
                found.append((start, end, path))
                following = end + 1
        return found

    def read(self, key: str, path: Path) -> Segment | None:
        """The segment of a file; None where it cannot be used."""
        try:
            segment = unpack(key, path.read_bytes())
            path.touch()
        except (OSError, BadSegment, ValueError) as error:
            self.reject(path, str(error))
            return None
        return segment

    def reject(self, path: Path, reason: str) -> None:
        """Does not read a file again."""
        logger.warning("cache file ignored file=%s reason=%s", path, reason)
        self._rejected.add(path)

    def write(self, key: str, segment: Segment) -> None:
        """Adds a file in one step: there is the whole of it, or nothing. A full disk costs the cache, no more."""
        folder = self._folder / key
        path = folder / f"{segment.first.number:012d}-{segment.last.number:012d}{SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(pack(key, segment))
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._rejected.discard(path)
            self._trim()
        except OSError as error:
            logger.warning("cache file not written file=%s error=%s", path, error)

    def _trim(self) -> None:
        """Removes what was not used for longest until the rest fits."""
        files = [(path, path.stat()) for path in self._folder.glob(f"*/*{SUFFIX}")]
        size = sum(state.st_size for _, state in files)
        if size <= self._most_bytes:
            return
        for path, state in sorted(files, key=lambda one: one[1].st_mtime_ns):
            path.unlink(missing_ok=True)
            size -= state.st_size
            if size <= TRIM_TO * self._most_bytes:
                break
        logger.info("cache trimmed bytes=%d", size)


class CachedChain:
    """A chain whose final history is read from the cache where it is there, and added to it where it is not."""

    def __init__(
        self, chain: Chain, cache: Cache, chain_id: int, served: Callable[[int], None] = lambda blocks: None
    ) -> None:
        """
        Args:
            served: hears how many blocks came from the cache.
        """
        self._chain = chain
        self._cache = cache
        self._chain_id = chain_id
        self._served = served
        self._finalized = -1

    async def look(self, number: int, watch: Watch) -> tuple[Tip, Segment | None]:
        tip, segment = await self._chain.look(number, watch)
        self._finalized = tip.finalized
        return tip, segment

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        return await self._chain.headers(numbers)

    async def vouch(self, number: int, block_hash: bytes) -> bool:
        return await self._chain.vouch(number, block_hash)

    async def history(self, first: int, last: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        key = f"{self._chain_id}-{watch.fingerprint().hex()}"
        final = min(last, self._finalized)
        while first <= last:
            async with aclosing(self._cached(key, first, final, watch)) as cached:
                async for segment in cached:
                    yield segment
                    first = segment.last.number + 1
            if first > last:
                return
            gap_end = min(
                (start - 1 for start, end, _ in self._cache.files(key) if first < start <= final), default=last
            )
            async with aclosing(self._fetched(key, first, gap_end, final, watch)) as fetched:
                async for segment in fetched:
                    yield segment
            first = gap_end + 1

    async def _cached(self, key: str, first: int, final: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        """As far as files follow each other, if the chain still has the last block of the last of them."""
        run = self._cache.run(key, first, final)
        while run and not await self._agrees(run):
            run = self._cache.run(key, first, final)
        if not run:
            return
        following = asyncio.create_task(asyncio.to_thread(self._cache.read, key, run[0][2]))
        previous: Block | None = None
        try:
            for at in range(len(run)):
                segment = await following
                if at + 1 < len(run):
                    following = asyncio.create_task(asyncio.to_thread(self._cache.read, key, run[at + 1][2]))
                if segment is None:
                    return
                if segment.first.number < first:
                    segment = _after(segment, first - 1)
                if previous is not None and segment.first.parent_hash != previous.hash:
                    self._cache.reject(run[at][2], f"does not follow block {previous.number}")
                    return
                previous = segment.last
                watch.discover(segment.logs)
                self._served(len(segment.blocks))
                yield segment
                first = segment.last.number + 1
        finally:
            await asyncio.gather(following, return_exceptions=True)

    async def _agrees(self, run: Sequence[tuple[int, int, Path]]) -> bool:
        """Links make one block stand for all before it."""
        try:
            number, block_hash = last_block(run[-1][2])
        except (OSError, BadSegment) as error:
            self._cache.reject(run[-1][2], str(error))
            return False
        headers = await self._chain.headers([number])
        if [block.hash for block in headers] == [block_hash]:
            return True
        for _, _, file in run:
            self._cache.reject(file, f"the chain has another block {number}")
        return False

    async def _fetched(
        self, key: str, first: int, last: int, final: int, watch: Watch
    ) -> AsyncGenerator[Segment, None]:
        pending: list[Segment] = []
        async with aclosing(self._chain.history(first, last, watch)) as segments:
            async for segment in segments:
                if segment.last.number <= final:
                    pending.append(segment)
                    if _is_full(pending):
                        await self._keep(key, pending)
                        pending = []
                yield segment
        await self._keep(key, pending)

    async def _keep(self, key: str, segments: Sequence[Segment]) -> None:
        if not segments or segments[-1].last.number - segments[0].first.number + 1 < LEAST_BLOCKS:
            return
        blocks = tuple(block for segment in segments for block in segment.blocks)
        whole = Segment(blocks, Logs.concat([segment.logs for segment in segments]))
        await asyncio.to_thread(self._cache.write, key, whole)


def _is_full(segments: Sequence[Segment]) -> bool:
    blocks = segments[-1].last.number - segments[0].first.number + 1
    return blocks >= FILE_BLOCKS or sum(len(segment.logs) for segment in segments) >= FILE_LOGS


def _after(segment: Segment, number: int) -> Segment:
    """The blocks after one."""
    blocks = tuple(block for block in segment.blocks if block.number > number)
    return Segment(blocks, segment.logs.take(segment.logs.block_number > number))
