"""Meters read over Modbus: one line per endpoint, shared by its units; all lines at the same time."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from indexer.clock import Clock
from node.errors import Refused
from node.metering import devices, sunspec
from node.metering.device_types import BadDeviceData, Device, Sample, Value
from node.metering.lines import Line, NoAnswer, RequestRefused, RtuLine, TcpLine, line_of
from node.metering.meter import Gateway, Inbox, Outages
from node.metering.modbus_address import BadMeterAddress, Endpoint, parse_address
from node.metering.plan import Block, Plan
from node.metering.service import Meter

logger = logging.getLogger(__name__)

MOST_POLLS_A_PLAN: Final = 360
"""A device that says itself where its values are is asked again after so many polls: it may be another one."""


async def plan_for(device: Device, line: Line, unit: int, *, everything: bool = False) -> Plan:
    """What to ask a unit for; a SunSpec device is asked where its values are.

    Raises:
        NoSunspec, BadDeviceData: from ``sunspec.discover`` and ``sunspec.plan_of``.
    """
    if device.sunspec is None:
        return Plan.of(device, everything=everything)

    async def ask(block: Block) -> bytes:
        return await line.ask(unit, block)

    return sunspec.plan_of(device, await sunspec.discover(ask), everything=everything)


async def answers_to(plan: Plan, line: Line, unit: int) -> Sequence[bytes]:
    """One answer per block of the plan."""
    return [await line.ask(unit, block) for block in plan.blocks]


@dataclass(slots=True)
class Unit:
    """One meter behind a line, and what was worked out for it."""

    number: int
    meter: Meter
    device: Device
    plan: Plan | None = None
    polls_left: int = 0

    async def read(self, line: Line) -> Sample:
        """Reads it once over the open line.

        Raises:
            NoAnswer, RequestRefused: it does not answer, or refuses.
            BadDeviceData: from the device map.
        """
        if self.plan is None or (self.device.sunspec is not None and self.polls_left <= 0):
            self.plan, self.polls_left = await plan_for(self.device, line, self.number), MOST_POLLS_A_PLAN
        self.polls_left -= 1
        try:
            return self.plan.sample(await answers_to(self.plan, line, self.number))
        except BadDeviceData:
            self.polls_left = 0
            raise


async def read_once(device: Device, endpoint: Endpoint, unit: int, *, timeout_s: float = 3.0) -> list[Value]:
    """Everything that a device says, for a person.

    Raises:
        OSError: the line cannot be opened.
        BadDeviceData: from the line and the map.
    """
    line = line_of(endpoint, timeout_s)
    try:
        await line.open()
        plan = await plan_for(device, line, unit, everything=True)
        return plan.values(await answers_to(plan, line, unit))
    finally:
        line.close()


@dataclass(slots=True)
class _Polled:
    """A line that is being read."""

    units: list[Unit]
    task: "asyncio.Task[None] | None" = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)


class Poller:
    """Reads every Modbus meter in turn, all endpoints at the same time, and signs what it read as the gateway.

    Its tasks run in the group given. An endpoint or a unit that does not answer is tried less and less often, so that
    it does not hold up the others.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        gateway: Gateway,
        inbox: Inbox,
        clock: Clock,
        poll_s: float,
        maps: Path | None = None,
        opens: Callable[[Endpoint], Line] = line_of,
    ) -> None:
        self._group, self._gateway, self._inbox, self._clock = group, gateway, inbox, clock
        self._poll_s, self._maps, self._opens = poll_s, maps, opens
        self._lines: dict[Endpoint, _Polled] = {}
        self._endpoints = Outages("meter line", last_retry_s=5.0)
        self._units = Outages("meter")
        self._registrations = Outages("meter registration")
        # Outages are ours to tell, once each; pymodbus would tell every failed read.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

    def update(self, meters: Iterable[Meter]) -> None:
        """Reads these meters from now on."""
        known = {unit.meter: unit for line in self._lines.values() for unit in line.units}
        found: dict[Endpoint, list[Unit]] = {}
        for meter in meters:
            try:
                endpoint, number = parse_address(meter.address)
                unit = known.get(meter) or Unit(number, meter, devices.load(meter.device, self._maps))
            except Refused as error:
                self._registrations.failed(str(meter.meter_id), error)
                continue
            self._registrations.worked(str(meter.meter_id))
            found.setdefault(endpoint, []).append(unit)
        for endpoint, units in found.items():
            if endpoint in self._lines:
                self._lines[endpoint].units = units
                continue
            self._lines[endpoint] = polled = _Polled(units)
            polled.task = self._group.create_task(self._poll(endpoint, polled))
        for endpoint in self._lines.keys() - found.keys():
            gone = self._lines.pop(endpoint)
            gone.asked.set()
            if gone.task is not None:
                gone.task.cancel()

    async def all_asked(self) -> None:
        """Returns once every meter known now was asked; one that did not answer was asked, too."""
        for polled in tuple(self._lines.values()):
            await polled.asked.wait()

    async def _poll(self, endpoint: Endpoint, polled: _Polled) -> None:
        loop = asyncio.get_running_loop()
        line = self._opens(endpoint)
        try:
            next_s = loop.time()
            while True:
                await self.read_all(line, endpoint)
                polled.asked.set()
                next_s = max(next_s + self._poll_s, loop.time())
                await asyncio.sleep(next_s - loop.time())
        finally:
            line.close()

    async def read_all(self, line: Line, endpoint: Endpoint) -> None:
        """Reads once every unit behind an endpoint, if it is due."""
        name = str(endpoint)
        if endpoint not in self._lines or not self._endpoints.is_due(name):
            return
        for unit in list(self._lines[endpoint].units):
            try:
                await line.open()
            except OSError as error:  # among them TimeoutError
                self._endpoints.failed(name, error)
                return
            self._endpoints.worked(name)
            await self.read(line, unit)

    async def read(self, line: Line, unit: Unit) -> None:
        """Reads one meter, if it is due, and hands in what is new."""
        name = str(unit.meter.meter_id)
        if not self._units.is_due(name):
            return
        try:
            sample = await unit.read(line)
        except BadDeviceData as error:
            self._units.failed(name, error)
            await self._inbox.tell(unit.meter, error, self._clock.now_s())
            return
        self._units.worked(name)
        await self._inbox.hand_in(self._gateway, unit.meter, unit.device, sample, self._clock.now_s())


__all__ = [
    "BadMeterAddress", "Endpoint", "Line", "NoAnswer", "Poller", "RequestRefused", "RtuLine", "TcpLine", "Unit",
    "line_of", "parse_address", "read_once",
]  # fmt: skip
