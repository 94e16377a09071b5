"""Private keys of a run: made once, one file each, readable by their owner alone."""

import os
import secrets
from pathlib import Path

from contracts.typed_data import address_of
from indexer.errors import GridtraceError

KEY_BYTES = 32


class BadKeyFile(GridtraceError):
    """A key file does not hold a 32-byte key in hexadecimal."""

    code = "bad-key-file"


def read_key(path: Path) -> bytes:
    """The private key in a file; raises BadKeyFile, which never repeats the file's content."""
    try:
        key = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except (OSError, ValueError) as error:
        raise BadKeyFile(f"{path}: {error.strerror if isinstance(error, OSError) else 'not hexadecimal'}") from None
    if len(key) != KEY_BYTES:
        raise BadKeyFile(f"{path}: {len(key)} bytes, not {KEY_BYTES}")
    return key


class KeyRing:
    """The keys of one run, in a folder only its owner can enter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str) -> Path:
        """Path of a key; the key is made where there is none yet."""
        path = self.folder / name
        if not path.exists():
            write_secret(path, "0x" + secrets.token_hex(KEY_BYTES))
        return path

    def key(self, name: str) -> bytes:
        return read_key(self.file(name))

    def address(self, name: str) -> bytes:
        return address_of(self.key(name))


def write_secret(path: Path, text: str) -> None:
    """Writes a file of mode 0600 in one step: a kill leaves none or the whole of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as target:
        target.write(text)
    beside.replace(path)
