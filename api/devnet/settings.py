"""What a run is asked to do, and what its folder remembers of it."""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from api.devnet.steerer import replace
from contracts.addresses import Deployment
from indexer.errors import ConfigError, GridtraceError
from node.config import Trading

SLOT_S: Final = 900
FIRST_MARKET_S: Final = 1_750_150_800
"""2025-06-17T09:00:00Z: a summer morning, at the start of a slot."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The options of ``gridtrace run``; None where the folder's memory or the default decides."""

    slots: int = 4
    slot_seconds: float = 20.0
    homes: int | None = None
    plants: int | None = None
    data: Path | None = None
    exit: bool = False
    json: bool = False
    fresh: bool = False
    state_dir: Path = Path(".gridtrace")
    port: int | None = None
    seed: int | None = None
    dead_meters: tuple[int, ...] = ()
    trading: Trading = "auction"

    @property
    def rate(self) -> float:
        """Market seconds per real second."""
        return SLOT_S / self.slot_seconds

    def check(self) -> None:
        """Raises ConfigError where a wish cannot be met whatever the folder remembers."""
        if self.data and not self.data.is_dir():
            raise ConfigError([f"--data {self.data}: there is no such folder"])


class Memory(msgspec.Struct, forbid_unknown_fields=True):
    """What must be the same in the next run of the same folder."""

    homes: int
    plants: int
    seed: int
    data: str | None
    modbus_port: int
    market_s: float = FIRST_MARKET_S
    """Market time when it was last written down."""


class AlreadyRunning(GridtraceError):
    """Another run uses this folder."""

    code = "already-running"


class Folder:
    """The folder of a run: locked for its life, and everything it keeps has its place here."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def services(self) -> Path:
        return self.path / "services"

    @property
    def deployment(self) -> Path:
        return self.path / "deployment.json"

    def deployed(self) -> Deployment | None:
        """What an earlier run here has deployed."""
        return Deployment.load(self.deployment) if self.deployment.is_file() else None

    @property
    def environment(self) -> Path:
        """The settings of the run's processes, for commands beside it."""
        return self.path / "environment.json"

    @property
    def orders(self) -> Path:
        """What the participants write about each order they sent."""
        return self.logs / "orders.jsonl"

    def lock(self) -> None:
        """Takes the folder for this process; a killed process holds nothing.

        Raises:
            AlreadyRunning: another process holds it.
            ConfigError: it cannot be made or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise ConfigError([f"--state-dir {self.path}: {error.strerror}"]) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise AlreadyRunning(f"{self.path} is in use by process {holder}; choose another --state-dir") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def clear(self) -> None:
        """Forgets everything of earlier runs."""
        for entry in self.path.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def load(self) -> Memory | None:
        """None where nothing ran here yet."""
        path = self.path / "state.json"
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Memory)
        except msgspec.MsgspecError as error:
            raise ConfigError([f"{path}: {error}; start anew with --fresh"]) from error

    def save(self, memory: Memory) -> None:
        replace(self.path / "state.json", msgspec.json.format(msgspec.json.encode(memory)))


def remembered(folder: Folder, wishes: Wishes, modbus_port: int) -> Memory:
    """The folder's memory, or a new one from the wishes.

    Raises:
        ConfigError: a wish contradicts what the folder was started with.
    """
    data = str(wishes.data.absolute()) if wishes.data else None
    wishes.check()
    memory = folder.load()
    if memory is None:
        memory = Memory(wishes.homes or 24, wishes.plants or 4, wishes.seed or 1, data, modbus_port)
        folder.save(memory)
        return memory
    asked = {"homes": wishes.homes, "plants": wishes.plants, "seed": wishes.seed, "data": data}
    faults = [
        f"--{name} {value}: this folder was started with {getattr(memory, name)}; start anew with --fresh"
        for name, value in asked.items()
        if value is not None and value != getattr(memory, name)
    ]
    if faults:
        raise ConfigError(faults)
    return memory


def settings_of(state_dir: Path) -> dict[str, str]:
    """The environment that a run in this folder gives its processes; raises ConfigError where there is none."""
    path = state_dir / "environment.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError([f"{path}: {error}; start `gridtrace run --state-dir {state_dir}` first"]) from error
