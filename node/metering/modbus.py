"""Meters read over Modbus TCP: one connection per host and port, shared by its units."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from indexer.clock import Clock
from node.errors import Refused
from node.metering import devices
from node.metering.devices import BadDeviceData, Device, Sample
from node.metering.meter import Delivery, Gateway, Inbox, Outages
from node.metering.service import Meter

logger = logging.getLogger(__name__)

READ_TIMEOUT_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 3.0


class BadMeterAddress(Refused):
    """A Modbus meter's address reads modbus-tcp://host:port/unit."""

    code = "meter-address-bad"


class NoAnswer(BadDeviceData):
    """The meter answered with a Modbus exception, or not at all."""

    code = "meter-no-answer"
    retryable = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a Modbus TCP server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(address: str) -> tuple[Endpoint, int]:
    """Endpoint and unit of ``modbus-tcp://host:port/unit``.

    Raises:
        BadMeterAddress: it reads otherwise, or the unit is not 1 to 247.
    """
    parts = urlsplit(address)
    unit = parts.path.removeprefix("/")
    if parts.scheme != "modbus-tcp" or not parts.hostname or not unit.isdecimal() or not 0 < int(unit) < 248:
        raise BadMeterAddress(f"{address!r} does not read modbus-tcp://host:port/unit")
    return Endpoint(parts.hostname, parts.port or 502), int(unit)


class Line(Protocol):
    """A connection to the units behind one endpoint."""

    async def open(self) -> None: ...

    async def read(self, unit: int, device: Device) -> Sample: ...

    def close(self) -> None: ...


class TcpLine:
    """The connection through pymodbus."""

    def __init__(self, endpoint: Endpoint) -> None:
        # Its own reconnecting would go on beside ours; its retries would hold up the other units.
        self._client = AsyncModbusTcpClient(
            endpoint.host, port=endpoint.port, timeout=READ_TIMEOUT_S, retries=0, reconnect_delay=0
        )
        self._endpoint = endpoint

    async def open(self) -> None:
        """Connects, unless it is connected.

        Raises:
            OSError: the endpoint cannot be reached within the time limit.
        """
        if self._client.connected:
            return
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if not await self._client.connect():
                raise ConnectionError(f"no connection to {self._endpoint}")

    async def read(self, unit: int, device: Device) -> Sample:
        """Reads one unit over the open connection.

        Raises:
            NoAnswer: the unit does not answer, or refuses.
            BadDeviceData: from the device map.
        """
        words: dict[int, int] = {}
        for address, count in device.blocks():
            words |= zip(range(address, address + count), await self._block(unit, device, address, count), strict=True)
        return device.decode_registers(words)

    async def _block(self, unit: int, device: Device, address: int, count: int) -> list[int]:
        read = self._client.read_holding_registers if device.function == 3 else self._client.read_input_registers
        try:
            answer = await read(address, count=count, device_id=unit)
        except ModbusException as error:
            raise NoAnswer(f"unit {unit} at {self._endpoint}: {error}") from error
        if answer.isError() or len(answer.registers) != count:
            raise NoAnswer(f"unit {unit} at {self._endpoint} answered {answer}")
        return list(answer.registers)

    def close(self) -> None:
        self._client.close()


class Poller:
    """Reads every Modbus meter in turn, all endpoints at the same time, and signs what it read as the gateway.

    Its tasks run in the group given. An endpoint or a unit that does not answer is tried less and less often, so that
    it does not hold up the others.
    """

    def __init__(self, group: asyncio.TaskGroup, gateway: Gateway, inbox: Inbox, clock: Clock, poll_s: float) -> None:
        self._group, self._gateway, self._inbox, self._clock = group, gateway, inbox, clock
        self._poll_s = poll_s
        self._meters: dict[Endpoint, list[tuple[int, Meter, Device]]] = {}
        self._tasks: dict[Endpoint, asyncio.Task[None]] = {}
        self._asked: dict[Endpoint, asyncio.Event] = {}
        self._endpoints = Outages("meter line", last_retry_s=5.0)
        self._units = Outages("meter")
        self._registrations = Outages("meter registration")
        # Outages are ours to tell, once each; pymodbus would tell every failed read.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

    def update(self, meters: Iterable[Meter]) -> None:
        """Reads these meters from now on."""
        found: dict[Endpoint, list[tuple[int, Meter, Device]]] = {}
        for meter in meters:
            try:
                endpoint, unit = parse_address(meter.address)
                device = devices.load(meter.device)
            except Refused as error:
                self._registrations.failed(str(meter.meter_id), error)
                continue
            self._registrations.worked(str(meter.meter_id))
            found.setdefault(endpoint, []).append((unit, meter, device))
        self._meters = found
        for endpoint in found.keys() - self._tasks.keys():
            self._asked[endpoint] = asyncio.Event()
            self._tasks[endpoint] = self._group.create_task(self._poll(endpoint))
        for endpoint in self._tasks.keys() - found.keys():
            self._tasks.pop(endpoint).cancel()
            self._asked.pop(endpoint).set()

    async def all_asked(self) -> None:
        """Returns once every meter known now was asked; one that did not answer was asked, too."""
        for asked in tuple(self._asked.values()):
            await asked.wait()

    async def _poll(self, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        line = TcpLine(endpoint)
        try:
            next_s = loop.time()
            while True:
                await self.read_all(line, endpoint)
                if endpoint in self._asked:
                    self._asked[endpoint].set()
                next_s = max(next_s + self._poll_s, loop.time())
                await asyncio.sleep(next_s - loop.time())
        finally:
            line.close()

    async def read_all(self, line: Line, endpoint: Endpoint) -> None:
        """Reads once every unit behind an endpoint, if it is due."""
        name = str(endpoint)
        if not self._endpoints.is_due(name):
            return
        for unit, meter, device in list(self._meters.get(endpoint, [])):
            try:
                await line.open()
            except OSError as error:  # among them TimeoutError
                self._endpoints.failed(name, error)
                return
            self._endpoints.worked(name)
            await self.read(line, unit, meter, device)

    async def read(self, line: Line, unit: int, meter: Meter, device: Device) -> None:
        """Reads one meter, if it is due, and hands in what is new."""
        name = str(meter.meter_id)
        if not self._units.is_due(name):
            return
        try:
            sample = await line.read(unit, device)
        except BadDeviceData as error:
            self._units.failed(name, error)
            return
        self._units.worked(name)
        signed = self._gateway.sign(meter.meter_id, sample, self._clock.now_s())
        if signed is not None:
            await self._inbox.put(Delivery(signed))
