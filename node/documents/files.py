"""Files in a block store: written as they come, read block by block, each checked before a byte of it is handed on."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from node.documents import unixfs
from node.documents.blocks import BlockAltered, BlockMissing, Blocks
from node.documents.cid import Cid
from node.documents.unixfs import FileBuilder, Link, Profile
from node.errors import Refused

MAX_DEPTH: Final = 8
"""174^8 chunks: more than any file. A deeper tree is not one that we made."""


class FileTooLarge(Refused):
    """The file is larger than what is taken."""

    code = "file-too-large"


class FileEmpty(Refused):
    """The file has no bytes."""

    code = "file-empty"


@dataclass(frozen=True, slots=True)
class Fault:
    """A block that keeps a file from being read."""

    cid: Cid
    code: str


async def add(blocks: Blocks, data: AsyncIterator[bytes], profile: Profile, max_bytes: int) -> Link:
    """Stores a file and pins it; returns its root. Nothing refers to it until this returns.

    Raises:
        FileTooLarge: it has more than ``max_bytes``; no more than that is read.
        FileEmpty: it has none.
    """
    builder, buffer, size = FileBuilder(profile), bytearray(), 0
    async for piece in data:
        size += len(piece)
        if size > max_bytes:
            raise FileTooLarge(f"more than {max_bytes} bytes")
        buffer += piece
        while len(buffer) >= profile.chunk_bytes:
            await _put(blocks, builder.leaf(bytes(buffer[: profile.chunk_bytes])))
            del buffer[: profile.chunk_bytes]
    if not size:
        raise FileEmpty
    if buffer:
        await _put(blocks, builder.leaf(bytes(buffer)))
    await _put(blocks, builder.finish())
    await blocks.pin(builder.root.cid)
    return builder.root


async def read(blocks: Blocks, root: Cid) -> AsyncIterator[bytes]:
    """The file's bytes in order.

    Raises:
        BlockMissing, BlockAltered: of the first block that is; what was handed on before is right.
        BadBlock: the tree is not a file's.
    """
    path = [iter((root,))]
    while path:
        cid = next(path[-1], None)
        if cid is None:
            path.pop()
            continue
        node = unixfs.read(cid, await blocks.get(cid))
        if node.is_directory or len(path) > MAX_DEPTH:
            raise unixfs.BadBlock(f"{cid} below {root} is not part of a file")
        if node.data:
            yield node.data
        path.append(iter([link.cid for link in node.links]))


async def faults(blocks: Blocks, root: Cid) -> list[Fault]:
    """Every block below ``root`` that is missing or altered; none, where the file is whole."""
    found, todo = [], [root]
    while todo:
        cid = todo.pop()
        try:
            node = unixfs.read(cid, await blocks.get(cid))
        except (BlockMissing, BlockAltered, unixfs.BadBlock) as error:
            found.append(Fault(cid, error.code))
            continue
        todo += [link.cid for link in reversed(node.links)]
    return found


async def _put(blocks: Blocks, made: Iterable[tuple[Cid, bytes]]) -> None:
    for cid, block in made:
        await blocks.put(cid, block)
