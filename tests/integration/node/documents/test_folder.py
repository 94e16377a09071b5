"""The embedded store, on a disk."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.documents import files
from node.documents.blocks import BlockAltered, BlockMissing, FolderBlocks
from node.documents.unixfs import CLASSIC

DATA = bytes(range(256)) * 3_000


async def pieces(data: bytes = DATA) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 50_000):
        yield data[start : start + 50_000]


async def read(blocks: FolderBlocks, root: files.Link) -> bytes:
    return b"".join([part async for part in files.read(blocks, root.cid)])


def stored(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_folder__file__reads_back_by_another_process(tmp_path: Path) -> None:
    root = await files.add(FolderBlocks(tmp_path), pieces(), CLASSIC, len(DATA))
    assert await read(FolderBlocks(tmp_path), root) == DATA
    assert not [path for path in stored(tmp_path) if path.suffix == ".part"]


async def test_folder__file_too_large__is_refused_and_swept(tmp_path: Path) -> None:
    blocks = FolderBlocks(tmp_path)
    with pytest.raises(files.FileTooLarge):
        await files.add(blocks, pieces(), CLASSIC, len(DATA) - 1)
    assert blocks.sweep(set(), time.time() + 1) > 0
    assert not stored(tmp_path)


async def test_folder__sweep__leaves_what_is_kept_and_what_is_new(tmp_path: Path) -> None:
    blocks = FolderBlocks(tmp_path)
    root = await files.add(blocks, pieces(b"deed"), CLASSIC, 4)
    assert blocks.sweep({root.cid.digest}, time.time() + 1) == 0
    assert blocks.sweep(set(), time.time() - 60) == 0
    assert await read(blocks, root) == b"deed"


async def test_folder__uploaded_again_during_a_sweep__stays(tmp_path: Path) -> None:
    blocks = FolderBlocks(tmp_path)
    root = await files.add(blocks, pieces(b"deed"), CLASSIC, 4)
    (path,) = stored(tmp_path)
    os.utime(path, (0, 0))

    class Racing(set[bytes]):
        def __contains__(self, digest: object) -> bool:
            os.utime(path)  # what another process's upload of the same bytes does now
            return False

    assert blocks.sweep(Racing(), time.time() - 60) == 0
    assert await read(blocks, root) == b"deed"
    assert stored(tmp_path) == [path]


async def test_folder__no_bytes__is_refused(tmp_path: Path) -> None:
    with pytest.raises(files.FileEmpty):
        await files.add(FolderBlocks(tmp_path), pieces(b""), CLASSIC, 10)


async def test_folder__altered_on_disk__is_never_served(tmp_path: Path) -> None:
    blocks = FolderBlocks(tmp_path)
    root = await files.add(blocks, pieces(b"deed"), CLASSIC, 4)
    (path,) = stored(tmp_path)
    path.write_bytes(b"deer")
    with pytest.raises(BlockAltered):
        await read(blocks, root)
    await files.add(blocks, pieces(b"deed"), CLASSIC, 4)  # storing it again mends it
    assert await read(blocks, root) == b"deed"
    path.unlink()
    with pytest.raises(BlockMissing):
        await read(blocks, root)
