"""A queue of records on disk: appended and synchronised before anything is acknowledged, read in the same order.

A record is its length, its CRC-32 and its bytes. The files are named after the position of their first record;
whoever reads keeps his position elsewhere (in the same transaction as what he made of the records) and gives back
what lies before it. A record that was cut off by a crash was never acknowledged, and is removed.
"""

import fcntl
import os
import struct
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from node.errors import GridtraceError

_HEAD: Final = struct.Struct(">II")
SEGMENT_BYTES: Final = 8 << 20
MOST_RECORD_BYTES: Final = 1 << 20
READ_BYTES: Final = 1 << 20
MOST_PROCESSES: Final = 32


class BufferFull(GridtraceError):
    """The local buffer is full."""

    code = "buffer-full"
    retryable = True


class BufferDamaged(GridtraceError):
    """The local buffer holds something that was not written by it."""

    code = "buffer-damaged"


class BufferInUse(GridtraceError):
    """Another process uses this buffer."""

    code = "buffer-in-use"


class Buffer:
    """One process's queue in a folder of its own. Not for two threads at a time, but for one writing, one reading."""

    def __init__(self, folder: Path, most_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder, self._most_bytes, self._segment_bytes = folder, most_bytes, segment_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        self.id = _identity(folder)
        self._starts = sorted(int(path.stem) for path in folder.glob("*.records"))
        if not self._starts:
            self._starts = [0]
            self._path(0).touch()
            _sync_folder(folder)
        self._drop_torn_tail()
        self._file = self._path(self._starts[-1]).open("ab", buffering=0)
        self.end = self._starts[-1] + self._file.tell()
        """Position after the last record."""

    @classmethod
    def first_free(cls, folder: Path, name: str, most_bytes: int) -> "Buffer":
        """The buffer ``name`` in a folder that several processes share, or the next one that nobody uses.

        Raises:
            BufferInUse: all are used.
            OSError: the folder cannot be used.
        """
        for number in range(1, MOST_PROCESSES + 1):
            try:
                return cls(folder / (name if number == 1 else f"{name}-{number}"), most_bytes)
            except BufferInUse:
                continue
        raise BufferInUse(f"{folder}: {MOST_PROCESSES} processes use a buffer {name} there")

    @property
    def start(self) -> int:
        """Position of the first record still there."""
        return self._starts[0]

    def append(self, records: Sequence[bytes]) -> int:
        """Writes the records and returns once they are on disk: the position after them.

        Raises:
            BufferFull: they do not fit; none was written.
            OSError: the disk refuses; none counts as written.
        """
        data = b"".join(_HEAD.pack(len(record), zlib.crc32(record)) + record for record in records)
        if max(map(len, records), default=0) > MOST_RECORD_BYTES:
            raise ValueError(f"a record has at most {MOST_RECORD_BYTES} bytes")
        if self.end + len(data) - self.start > self._most_bytes:
            raise BufferFull(f"{self.folder}: {self.end - self.start} of {self._most_bytes} bytes are taken")
        if self.end - self._starts[-1] >= self._segment_bytes:
            self._begin_segment()
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            os.fdatasync(self._file.fileno())
        except OSError:
            self._file.truncate(self.end - self._starts[-1])
            raise
        self.end += len(data)
        return self.end

    def read(self, position: int, most: int) -> tuple[list[bytes], int]:
        """Up to ``most`` records from a position on, and the position after them.

        Raises:
            BufferDamaged: the position is not in the buffer, or a record is not what was written.
        """
        records: list[bytes] = []
        position = max(position, self.start)
        while len(records) < most and position < self.end:
            base = max(start for start in self._starts if start <= position)
            with self._path(base).open("rb") as file:
                file.seek(position - base)
                data = file.read(min(READ_BYTES + MOST_RECORD_BYTES, self.end - position))
            taken, used = _split(data, most - len(records))
            if not used:
                raise BufferDamaged(f"{self._path(base)} at byte {position - base}: not a record")
            records += taken
            position += used
        return records, position

    def release(self, position: int) -> None:
        """Gives back the disk space of what lies before a position."""
        while len(self._starts) > 1 and self._starts[1] <= position:
            self._path(self._starts.pop(0)).unlink()
        if len(self._starts) == 1 and position == self.end > self._starts[0]:
            self._begin_segment()
            self._path(self._starts.pop(0)).unlink()

    def close(self) -> None:
        """Ends its use; nothing is lost."""
        self._file.close()
        self._lock.close()

    def _begin_segment(self) -> None:
        self._file.close()
        self._starts.append(self.end)
        self._file = self._path(self.end).open("ab", buffering=0)
        _sync_folder(self.folder)

    def _drop_torn_tail(self) -> None:
        path = self._path(self._starts[-1])
        data = path.read_bytes()
        _, used = _split(data, len(data))
        if used < len(data):
            os.truncate(path, used)

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:020d}.records"


def _split(data: bytes, most: int) -> tuple[list[bytes], int]:
    """Whole records at the start of ``data``, and the bytes they take."""
    records: list[bytes] = []
    used = 0
    while len(records) < most and used + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, used)
        record = data[used + _HEAD.size : used + _HEAD.size + length]
        if len(record) < length or zlib.crc32(record) != checksum:
            break
        records.append(record)
        used += _HEAD.size + length
    return records, used


def _locked(folder: Path) -> IO[bytes]:
    lock = (folder / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise BufferInUse(f"{folder} is used by another process") from error
    return lock


def _identity(folder: Path) -> uuid.UUID:
    """The name under which positions of this buffer are kept; made once."""
    path = folder / "id"
    if not path.exists():
        fresh = folder / "id.new"
        fresh.write_text(str(uuid.uuid4()))
        fresh.replace(path)
        _sync_folder(folder)
    return uuid.UUID(path.read_text().strip())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
