"""What the drivers share: where readings go, who signs for devices that cannot, and what is named on the way."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from contracts.typed_data import Reading, address_of, reading_digest, sign
from node.metering.continuity import Baseline, Continued, Noted, Stopped, go_on
from node.metering.device_types import BadDeviceData, Device, Sample
from node.metering.entries import BaselineEntry, Entry, FaultEntry, ReadingEntry
from node.metering.fault_kinds import FaultKind
from node.metering.outages import Outages
from node.metering.readings import SignedReading, is_storable
from node.metering.service import Meter

INBOX_SIZE: Final = 10_000
MISSES: Final = 3
AGAIN_S: Final = 60.0
"""A fault that goes on is told this often."""


class Driver(Protocol):
    """Reads the meters of one kind of transport, and signs for those that cannot.

    A new one starts from ``node/metering/blueprint.py`` and must pass ``node.metering.conformance``.
    """

    def update(self, meters: Iterable[Meter]) -> None:
        """Reads these meters from now on. Raises nothing: a bad registration is told, and keeps nobody else back."""

    async def all_asked(self) -> None:
        """Returns once every meter known now was asked once; one that cannot be reached was asked, too."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry on its way to the database; ``stored`` is called once it cannot be lost any more."""

    entry: Entry
    stored: Callable[[], None] | None = None


class Inbox:
    """What the drivers hand in, in order. Bounded: while nothing can be stored they wait instead of losing any."""

    def __init__(self, size: int = INBOX_SIZE, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue(size)
        self._monotonic = monotonic
        self._told_s: dict[int, dict[FaultKind, float]] = {}
        self._misses: dict[int, int] = {}

    async def put(self, delivery: Delivery) -> None:
        await self._queue.put(delivery)

    async def take(self, most: int) -> list[Delivery]:
        """Waits for one delivery and takes along those that wait with it, at most ``most``."""
        taken = [await self._queue.get()]
        while len(taken) < most and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty()

    async def hand_in(
        self,
        gateway: "Gateway",
        meter: Meter,
        device: Device,
        sample: Sample,
        now_s: float,
        stored: Callable[[], None] | None = None,
    ) -> None:
        """Signs a sample and puts it in, with what it shows; ``stored`` is called in any case."""
        entries = gateway.take(meter, device, sample, now_s)
        entries = [one for one in entries if not isinstance(one, FaultEntry) or self._is_news(one)]
        if not entries and stored is not None:
            stored()
        for place, entry in enumerate(entries, 1):
            await self.put(Delivery(entry, stored if place == len(entries) else None))

    async def tell(self, meter: Meter, error: BadDeviceData, now_s: float) -> None:
        """Names a meter that answers nonsense, or has not answered several times in a row."""
        kind = FaultKind.SILENT if error.retryable else FaultKind.BAD_DATA
        if kind is FaultKind.SILENT:
            self._misses[meter.meter_id] = self._misses.get(meter.meter_id, 0) + 1
            if self._misses[meter.meter_id] < MISSES:  # one lost answer is no silence
                return
        entry = FaultEntry.of(meter.meter_id, kind, int(now_s), {"error": str(error)})
        if self._is_news(entry):
            await self.put(Delivery(entry))

    def _is_news(self, fault: FaultEntry) -> bool:
        told_s, now_s = self._told_s.setdefault(fault.meter_id, {}), self._monotonic()
        if now_s - told_s.get(fault.kind, -AGAIN_S) < AGAIN_S:
            return False
        told_s[fault.kind] = now_s
        return True

    def forget(self, meter_id: int) -> None:
        """The meter is well: its next fault is news."""
        self._misses.pop(meter_id, None)
        self._told_s.pop(meter_id, None)


@dataclass(slots=True)
class _Chain:
    last: Reading | None = None
    baseline: Baseline = field(default_factory=Baseline)
    baseline_since: int = 0
    uptime_s: int | None = None


class Gateway:
    """Signs readings for devices that cannot; each meter's chain goes on from its last stored reading."""

    def __init__(self, private_key: bytes, slot_s: int = 900) -> None:
        self._private_key, self._slot_s = private_key, slot_s
        self.address = address_of(private_key)
        self._chains: dict[int, _Chain] = {}

    @classmethod
    def open(cls, key_file: Path, slot_s: int = 900) -> "Gateway":
        """Reads the 0x-prefixed hex key.

        Raises:
            OSError, ValueError: the file cannot be read or holds no key.
        """
        return cls(bytes.fromhex(key_file.read_text().strip().removeprefix("0x")), slot_s)

    def resume(self, latest: Mapping[int, Reading], baselines: Mapping[int, tuple[int, Baseline]] = {}) -> None:
        """Takes up the chains that it does not know yet, and baselines (with their beginning) newer than its own."""
        for meter_id, reading in latest.items():
            self._chains.setdefault(meter_id, _Chain(reading))
        for meter_id, (since, baseline) in baselines.items():
            chain = self._chains.setdefault(meter_id, _Chain())
            if since > chain.baseline_since:
                chain.baseline, chain.baseline_since = baseline, since

    def take(self, meter: Meter, device: Device, sample: Sample, now_s: float) -> list[Entry]:
        """The sample as a signed reading at the device's own time, else ``now_s``; and what it shows, named.

        Nothing when its time has not passed the meter's last one: it says nothing new.
        """
        meter_id = meter.meter_id
        time_s = int(now_s) if sample.time is None else sample.time
        chain = self._chains.setdefault(meter_id, _Chain())
        if chain.last is not None and time_s <= chain.last.time:
            return []
        drift_s = time_s - int(now_s)
        if drift_s >= self._slot_s:
            return [FaultEntry.of(meter_id, FaultKind.CLOCK_DRIFT, int(now_s), {"ahead_s": drift_s})]
        verdict = go_on(
            chain.last,
            chain.baseline,
            sample,
            time_s=time_s,
            fuse_w=meter.fuse_w,
            resets=device.resets,
            uptime_s=chain.uptime_s,
        )
        if isinstance(verdict, Stopped):
            return [_fault(meter_id, int(now_s), verdict.note)]
        reading = _reading(meter_id, chain, sample, verdict, time_s)
        if not is_storable(reading):
            said = {"import_wh": reading.import_wh, "export_wh": reading.export_wh, "power_w": reading.power_w}
            return [FaultEntry.of(meter_id, FaultKind.BAD_DATA, int(now_s), {**said, "time": reading.time})]
        return [*self._begin(meter_id, chain, verdict, time_s), self._sign(chain, sample, reading)]

    def _begin(self, meter_id: int, chain: _Chain, verdict: Continued, time_s: int) -> list[Entry]:
        """What stands before the reading: its events, and a new baseline."""
        entries: list[Entry] = [_fault(meter_id, time_s, note) for note in verdict.notes]
        if verdict.baseline != chain.baseline:
            since = max(time_s, chain.baseline_since + 1)
            base, reason = verdict.baseline, verdict.notes[-1].kind.value if verdict.notes else "identified"
            entries.append(
                BaselineEntry(meter_id, since, base.import_base_wh, base.export_base_wh, base.serial, reason)
            )
            chain.baseline, chain.baseline_since = base, since
        return entries

    def _sign(self, chain: _Chain, sample: Sample, reading: Reading) -> ReadingEntry:
        chain.last, chain.uptime_s = reading, sample.uptime_s
        return ReadingEntry.of(SignedReading(reading, sign(reading_digest(reading), self._private_key), self.address))


def _reading(meter_id: int, chain: _Chain, sample: Sample, verdict: Continued, time_s: int) -> Reading:
    follows = 1 if chain.last is None else chain.last.counter + 1
    counter = follows if sample.counter is None else max(sample.counter, follows)
    return Reading(meter_id, time_s, counter, verdict.import_wh, verdict.export_wh, sample.power_w)


def _fault(meter_id: int, time_s: int, note: Noted) -> FaultEntry:
    return FaultEntry.of(meter_id, note.kind, time_s, note.evidence)


__all__ = ["Delivery", "Driver", "Gateway", "Inbox", "Outages"]
