"""What the drivers share: where readings go, who signs for devices that cannot, and what is said of an outage."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.typed_data import Reading, address_of, reading_digest, sign
from node.metering.devices import Sample
from node.metering.readings import SignedReading

logger = logging.getLogger(__name__)

INBOX_SIZE: Final = 10_000
FIRST_RETRY_S: Final = 0.5
MOST_NAMES: Final = 10_000
LAST_RETRY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A reading on its way to the database; ``stored`` is called once it is there."""

    signed: SignedReading
    stored: Callable[[], None] | None = None


class Inbox:
    """Readings in the order they came. Bounded: while the database is away drivers wait instead of losing any."""

    def __init__(self, size: int = INBOX_SIZE) -> None:
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue(size)

    async def put(self, delivery: Delivery) -> None:
        await self._queue.put(delivery)

    async def take(self, most: int) -> list[Delivery]:
        """Waits for one reading and takes along those that wait with it, at most ``most``."""
        taken = [await self._queue.get()]
        while len(taken) < most and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken


@dataclass(slots=True)
class _Chain:
    time: int
    counter: int


class Gateway:
    """Signs readings for devices that cannot; each meter's counter goes on from its last stored reading."""

    def __init__(self, private_key: bytes) -> None:
        self._private_key = private_key
        self.address = address_of(private_key)
        self._chains: dict[int, _Chain] = {}

    @classmethod
    def open(cls, key_file: Path) -> "Gateway":
        """Reads the 0x-prefixed hex key.

        Raises:
            OSError, ValueError: the file cannot be read or holds no key.
        """
        return cls(bytes.fromhex(key_file.read_text().strip().removeprefix("0x")))

    def resume(self, latest: Mapping[int, Reading]) -> None:
        """Takes up the chains that it does not know yet."""
        for meter_id, reading in latest.items():
            self._chains.setdefault(meter_id, _Chain(reading.time, reading.counter))

    def sign(self, meter_id: int, sample: Sample, now_s: float) -> SignedReading | None:
        """The sample as a signed reading at the device's own time, else ``now_s``.

        None when its time has not passed the meter's last one: it says nothing new.
        """
        time_s = int(now_s) if sample.time is None else sample.time
        chain = self._chains.get(meter_id)
        if chain is not None and time_s <= chain.time:
            return None
        follows = 1 if chain is None else chain.counter + 1
        counter = follows if sample.counter is None else sample.counter
        reading = sample.reading(meter_id, time_s, counter)
        signature = sign(reading_digest(reading), self._private_key)
        self._chains[meter_id] = _Chain(time_s, counter)
        return SignedReading(reading, signature, self.address)


@dataclass(slots=True)
class _Outage:
    due_s: float
    wait_s: float


@dataclass(slots=True)
class Outages:
    """Names what does not answer in the log, once when it starts and once when it ends, and paces new attempts."""

    what: str
    last_retry_s: float = LAST_RETRY_S
    monotonic: Callable[[], float] = time.monotonic
    _open: dict[str, _Outage] = field(default_factory=dict)

    def failed(self, name: str, error: BaseException | str) -> float:
        """Notes a failure; returns the real seconds to wait before the next attempt, doubling each time."""
        outage = self._open.get(name)
        if outage is None and len(self._open) >= MOST_NAMES:  # strangers choose some of the names
            logger.debug("%s lost name=%s error=%s", self.what, name, error)
            return FIRST_RETRY_S
        if outage is None:
            logger.warning("%s lost name=%s error=%s", self.what, name, error)
            wait_s = FIRST_RETRY_S
        else:
            wait_s = min(outage.wait_s * 2, self.last_retry_s)
        self._open[name] = _Outage(self.monotonic() + wait_s, wait_s)
        return wait_s

    def worked(self, name: str) -> None:
        """Notes that it answers (again)."""
        if self._open.pop(name, None) is not None:
            logger.info("%s back name=%s", self.what, name)

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        outage = self._open.get(name)
        return outage is None or self.monotonic() >= outage.due_s
