"""What every driver must do, as checks that any test can run: ``await check(driver_under_test)``.

A driver in code starts from ``node/metering/blueprint.py``. Its author writes a ``Bench`` that sets up a device of that
kind on a real socket, and runs all checks on it; each raises AssertionError saying what is wrong.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from contracts.typed_data import reading_digest, recover
from indexer.clock import SimulatedClock
from node.metering.device_types import Sample
from node.metering.entries import Entry, FaultEntry, ReadingEntry
from node.metering.fault_kinds import FaultKind
from node.metering.meter import Delivery, Driver, Gateway, Inbox
from node.metering.service import Meter

PATIENCE_S: Final = 10.0
KEY: Final = bytes(31) + b"\x2a"
START_S: Final = 1_718_000_000


class Rig(Protocol):
    """A device of the driver's kind, and the driver pointed at it."""

    def meter(self, meter_id: int) -> Meter:
        """The registration of the device."""

    def stray(self, meter_id: int) -> Meter:
        """A registration that cannot be read: an unknown device, or an address of another form."""

    async def show(self, sample: Sample) -> None:
        """Makes the device say this from now on: energies in steps of 250 Wh, which every device can say, and power."""

    async def babble(self) -> None:
        """Makes the device say something that is no reading."""

    async def fall_silent(self) -> None:
        """Makes the device unreachable."""


Build = Callable[[Gateway, Inbox, SimulatedClock, asyncio.TaskGroup], Driver]


@dataclass(frozen=True, slots=True)
class Bench:
    """How to set the driver up."""

    rig: Callable[[], AbstractAsyncContextManager[Rig]]
    build: Callable[[Rig, Gateway, Inbox, SimulatedClock, asyncio.TaskGroup], Driver]
    """Makes the driver and starts its tasks in the group."""
    asks: bool = True
    """It asks its devices, so that silence shows; not one that only listens."""


Check = Callable[[Bench], Coroutine[None, None, None]]


class _Hall:
    """The driver running, and what it hands in."""

    def __init__(self, bench: Bench, rig: Rig, group: asyncio.TaskGroup) -> None:
        self.rig, self.inbox = rig, Inbox(size=8)
        self.gateway = Gateway(KEY)
        clock = SimulatedClock(time.time(), START_S, 60)  # a minute a second: every poll is at a time of its own
        self.driver = bench.build(rig, self.gateway, self.inbox, clock, group)

    async def next(self, wanted: Callable[[Entry], bool], what: str) -> Delivery:
        """The next entry of a kind; the others are acknowledged and left."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    for delivery in await self.inbox.take(1):
                        if delivery.stored is not None:
                            delivery.stored()
                        if wanted(delivery.entry):
                            return delivery
        except TimeoutError:
            raise AssertionError(f"the driver handed in no {what}") from None


async def _run(bench: Bench, work: Callable[[_Hall], Coroutine[None, None, None]]) -> None:
    async with bench.rig() as rig, asyncio.TaskGroup() as group:
        hall = _Hall(bench, rig, group)
        worker = asyncio.create_task(work(hall))
        try:
            await worker
        finally:
            hall.driver.update([])
            group.create_task(_end())
    await asyncio.sleep(0)


class _Over(Exception):
    """The check is over; ends the driver's tasks."""


async def _end() -> None:
    raise _Over


def _is_reading(entry: Entry) -> bool:
    return isinstance(entry, ReadingEntry)


async def reads_and_signs(bench: Bench) -> None:
    """What the device shows arrives, signed by the gateway, with growing time and counter."""

    async def work(hall: _Hall) -> None:
        hall.driver.update([hall.rig.meter(7)])
        await hall.rig.show(Sample(import_wh=1_000, export_wh=250, power_w=300))
        first = await _reading(hall)
        assert (first.meter_id, first.import_wh, first.export_wh) == (7, 1_000, 250), f"handed in {first}"
        signed = first.signed()
        assert recover(reading_digest(signed.reading), signed.signature) == hall.gateway.address, "wrongly signed"
        await hall.rig.show(Sample(import_wh=1_250, export_wh=250, power_w=300))
        async with asyncio.timeout(PATIENCE_S):
            while (second := await _reading(hall)).import_wh == 1_000:
                pass
        assert second.import_wh == 1_250, f"then handed in {second}"
        assert second.time > first.time and second.counter > first.counter, "time and counter must grow"

    await _run(bench, work)


async def _reading(hall: _Hall) -> ReadingEntry:
    entry = (await hall.next(_is_reading, "reading")).entry
    assert isinstance(entry, ReadingEntry)
    return entry


async def names_nonsense(bench: Bench) -> None:
    """Nonsense is named, is never handed in as a reading, and the driver goes on."""

    async def work(hall: _Hall) -> None:
        hall.driver.update([hall.rig.meter(7)])
        await hall.rig.show(Sample(import_wh=1_000))
        await _reading(hall)
        await hall.rig.babble()
        bad = await hall.next(lambda entry: isinstance(entry, FaultEntry), "fault for nonsense")
        assert isinstance(bad.entry, FaultEntry) and bad.entry.kind is FaultKind.BAD_DATA, f"named {bad.entry}"
        assert bad.entry.evidence.get("error"), "a fault says what shows it"
        await hall.rig.show(Sample(import_wh=1_500))
        async with asyncio.timeout(PATIENCE_S):
            while (await _reading(hall)).import_wh != 1_500:
                pass

    await _run(bench, work)


async def names_silence(bench: Bench) -> None:
    """A device that is asked and does not answer is named."""

    async def work(hall: _Hall) -> None:
        hall.driver.update([hall.rig.meter(7)])
        await hall.rig.fall_silent()
        found = await hall.next(lambda entry: isinstance(entry, FaultEntry), "fault for silence")
        assert isinstance(found.entry, FaultEntry) and found.entry.kind is FaultKind.SILENT, f"named {found.entry}"

    if bench.asks:
        await _run(bench, work)


async def survives_bad_registrations(bench: Bench) -> None:
    """A registration that cannot be read keeps nobody else back, and all count as asked."""

    async def work(hall: _Hall) -> None:
        await hall.rig.show(Sample(import_wh=1_000))
        hall.driver.update([hall.rig.stray(6), hall.rig.meter(7)])
        assert (await _reading(hall)).meter_id == 7
        asked = asyncio.ensure_future(hall.driver.all_asked())
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not asked.done():
                    hall_taken = asyncio.ensure_future(hall.inbox.take(8))
                    await asyncio.wait({asked, hall_taken}, return_when=asyncio.FIRST_COMPLETED)
                    hall_taken.cancel()
        except TimeoutError:
            raise AssertionError("all_asked must return although one cannot be read") from None

    await _run(bench, work)


async def waits_when_nobody_takes(bench: Bench) -> None:
    """While nothing can be stored the driver waits, and loses nothing that it handed in."""

    async def work(hall: _Hall) -> None:
        hall.driver.update([hall.rig.meter(7)])
        for step in range(40):
            await hall.rig.show(Sample(import_wh=1_000 + 250 * step))
            await asyncio.sleep(0.02)
        counters = []
        for _ in range(8):
            counters.append((await _reading(hall)).counter)
            if len(counters) > 1 and hall.inbox.is_empty:
                break
        assert counters == sorted(set(counters)), f"order or number lost: {counters}"
        assert counters == list(range(counters[0], counters[0] + len(counters))), f"some were lost: {counters}"

    await _run(bench, work)


CHECKS: Final[tuple[Check, ...]] = (
    reads_and_signs,
    names_nonsense,
    names_silence,
    survives_bad_registrations,
    waits_when_nobody_takes,
)


async def check(bench: Bench, one: Check) -> None:
    """Runs one check, within a time limit. Raises AssertionError saying what the driver does wrong."""
    try:
        async with asyncio.timeout(6 * PATIENCE_S):
            try:
                await one(bench)
            except* _Over:
                pass
    except TimeoutError:
        raise AssertionError(f"{one.__name__}: not over in time") from None
