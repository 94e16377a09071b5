"""Files of any size through a store and back, in trees of any width."""

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from node.documents import files
from node.documents.blocks import BlockAltered, BlockMissing
from node.documents.cid import Cid
from node.documents.unixfs import Profile

profiles = st.builds(Profile, st.just("small"), st.sampled_from([0, 1]), st.integers(1, 5), st.integers(2, 4))


class MemoryBlocks:
    """Blocks in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[Cid, bytes] = {}
        self.pinned: list[Cid] = []

    async def put(self, cid: Cid, block: bytes) -> None:
        assert cid.names(block)
        self.kept[cid] = block

    async def get(self, cid: Cid) -> bytes:
        if cid not in self.kept:
            raise BlockMissing
        if not cid.names(self.kept[cid]):
            raise BlockAltered
        return self.kept[cid]

    async def pin(self, root: Cid, *, recursive: bool = True) -> None:
        self.pinned.append(root)

    async def close(self) -> None:
        """Nothing is open."""


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(blocks: MemoryBlocks, root: Cid) -> bytes:
    return b"".join([part async for part in files.read(blocks, root)])


@given(st.binary(min_size=1, max_size=400), profiles, st.integers(1, 50))
def test_file__written_in_any_pieces__reads_back(data: bytes, profile: Profile, piece: int) -> None:
    async def scenario() -> None:
        blocks = MemoryBlocks()
        root = await files.add(blocks, pieces(data, piece), profile, len(data))
        again = await files.add(MemoryBlocks(), pieces(data, len(data)), profile, len(data))
        assert root == again
        assert await read(blocks, root.cid) == data
        assert blocks.pinned == [root.cid]
        assert await files.faults(blocks, root.cid) == []

    asyncio.run(scenario())


@given(st.binary(min_size=1, max_size=200), profiles, st.data())
def test_file__one_block_gone_or_altered__is_named_and_not_served(
    data: bytes, profile: Profile, draw: st.DataObject
) -> None:
    async def scenario() -> None:
        blocks = MemoryBlocks()
        root = await files.add(blocks, pieces(data, 7), profile, len(data))
        victim = draw.draw(st.sampled_from(sorted(blocks.kept, key=str)))
        if draw.draw(st.booleans()):
            del blocks.kept[victim]
        else:
            blocks.kept[victim] += b"\0"
        assert victim in {fault.cid for fault in await files.faults(blocks, root.cid)}
        served = b""
        try:
            async for part in files.read(blocks, root.cid):
                served += part
        except (BlockMissing, BlockAltered):
            assert data.startswith(served)
        else:
            raise AssertionError("the file was served")

    asyncio.run(scenario())
