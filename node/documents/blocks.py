"""Where blocks are kept: a folder of our own, or a Kubo node. Nothing is handed out that its name does not fit."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final, Protocol

from node.documents.cid import Cid
from node.errors import GridtraceError, NotFound

MAX_BLOCK_BYTES: Final = 2 * 1024 * 1024
"""What IPFS peers exchange at most."""


class BlockMissing(NotFound):
    """A block of the file is not in the store."""

    code = "block-missing"


class BlockAltered(GridtraceError):
    """A block of the file is not what was stored."""

    code = "block-altered"


class Blocks(Protocol):
    """Keeps blocks by their identifiers."""

    async def put(self, cid: Cid, block: bytes) -> None:
        """Keeps a block; once this returns it survives a crash. A block that is there already is left alone."""

    async def get(self, cid: Cid) -> bytes:
        """The block that ``cid`` names.

        Raises:
            BlockMissing: it is not there.
            BlockAltered: what is there is something else.
        """

    async def pin(self, root: Cid, *, recursive: bool = True) -> None:
        """Says that the whole tree below ``root`` is to be kept; not ``recursive``: that one block."""

    async def close(self) -> None:
        """Gives back what the store has open."""


class FolderBlocks:
    """Blocks as files, each named by its digest. Several processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, cid: Cid) -> Path:
        name = cid.digest.hex()
        return self._folder / name[:2] / name

    async def put(self, cid: Cid, block: bytes) -> None:
        await asyncio.to_thread(self._write, self._path(cid), cid, block)

    async def get(self, cid: Cid) -> bytes:
        try:
            block = await asyncio.to_thread(self._path(cid).read_bytes)
        except FileNotFoundError as error:
            raise BlockMissing(f"block {cid} is not in {self._folder}") from error
        if not cid.names(block):
            raise BlockAltered(f"block {cid} in {self._folder} has {len(block)} bytes that it does not name")
        return block

    async def pin(self, root: Cid, *, recursive: bool = True) -> None:
        """Everything put is kept until ``sweep``."""

    async def close(self) -> None:
        """Nothing is open between calls."""

    def sweep(self, keep: Container[bytes], before_s: float) -> int:
        """Removes blocks last written before ``before_s`` whose digest is not in ``keep``; returns how many.

        An upload that failed leaves blocks that nothing names; one under way has written its own just now.
        """
        swept = 0
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before_s and not (len(path.name) == 64 and bytes.fromhex(path.name) in keep):
                    swept += self._remove(path, before_s)
        return swept

    @staticmethod
    def _remove(path: Path, before_s: float) -> bool:
        """Removes a block, unless an upload has come to rely on it since it was looked at."""
        aside = path.with_name(f"{path.name[:64]}.{secrets.token_hex(4)}.swept")
        path.rename(aside)
        if aside.stat().st_mtime >= before_s:
            aside.rename(path)
            return False
        aside.unlink()
        return True

    def _files(self) -> Iterator[Path]:
        return (path for path in self._folder.glob("??/*") if path.is_file())

    @staticmethod
    def _write(path: Path, cid: Cid, block: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            if cid.names(path.read_bytes()):
                os.utime(path)  # so that a sweep leaves it to the upload that relies on it
                return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("wb") as file:
                file.write(block)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync(path.parent)
        _sync(path.parent.parent)


def _sync(folder: Path) -> None:
    """A file's name is only safe once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
