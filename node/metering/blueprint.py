"""A driver to start from: copy this module, give it your transport, and make it pass ``node.metering.conformance``.

Most devices need no driver in code: a map in TOML is enough for Modbus, MQTT and HTTP (``docs/metering.md``). This one
asks its meters for a line of text, ``import_wh export_wh power_w``, over TCP at ``line://host:port``. What to keep:

- a time limit on everything that waits for a device;
- ``BadDeviceData`` for nonsense, ``NoAnswer`` for silence; nothing else gets out of ``_read``;
- readings go through ``Inbox.hand_in``, which signs them and names what they show; never around it;
- one meter's trouble is its own: the others are read on.
"""

import asyncio
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from indexer.clock import Clock
from node.metering.device_types import BadDeviceData, Device, Sample
from node.metering.lines import NoAnswer
from node.metering.meter import Gateway, Inbox, Outages
from node.metering.service import Meter

TIMEOUT_S: Final = 2.0
MOST_BYTES: Final = 200
DEVICE: Final = Device("blueprint", "http", "node/metering/blueprint.py")


class LineDriver:
    """Asks every meter in turn."""

    def __init__(self, gateway: Gateway, inbox: Inbox, clock: Clock, poll_s: float) -> None:
        self._gateway, self._inbox, self._clock, self._poll_s = gateway, inbox, clock, poll_s
        self._meters: dict[int, tuple[Meter, str, int]] = {}
        self._outages, self._registrations = Outages("meter"), Outages("meter registration")
        self._round = asyncio.Event()

    def update(self, meters: Iterable[Meter]) -> None:
        """Reads these meters from now on."""
        found = {}
        for meter in meters:
            parts = urlsplit(meter.address)
            if parts.scheme != "line" or not parts.hostname or not parts.port:
                self._registrations.failed(str(meter.meter_id), f"{meter.address!r} does not read line://host:port")
                continue
            found[meter.meter_id] = (meter, parts.hostname, parts.port)
        if found.keys() - self._meters.keys():
            self._round.clear()
        self._meters = found

    async def all_asked(self) -> None:
        """Returns once every meter known now was asked."""
        await self._round.wait()

    async def run(self) -> None:
        """Asks until cancelled."""
        while True:
            asked = dict(self._meters)
            for meter, host, port in asked.values():
                await self._ask(meter, host, port)
            if asked.keys() >= self._meters.keys():
                self._round.set()
            await asyncio.sleep(self._poll_s)

    async def _ask(self, meter: Meter, host: str, port: int) -> None:
        name = str(meter.meter_id)
        if not self._outages.is_due(name):
            return
        try:
            sample = await self._read(host, port)
        except BadDeviceData as error:
            self._outages.failed(name, error)
            await self._inbox.tell(meter, error, self._clock.now_s())
            return
        self._outages.worked(name)
        await self._inbox.hand_in(self._gateway, meter, DEVICE, sample, self._clock.now_s())

    async def _read(self, host: str, port: int) -> Sample:
        writer = None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_connection(host, port, limit=MOST_BYTES)
                line = await reader.readline()
        except (OSError, asyncio.IncompleteReadError) as error:  # among them TimeoutError
            raise NoAnswer(f"{host}:{port}: {error or type(error).__name__}") from error
        except ValueError as error:
            raise BadDeviceData(f"{host}:{port}: {error}") from error
        finally:
            if writer is not None:
                writer.close()
        try:
            import_wh, export_wh, power_w = (int(word) for word in line.split())
        except ValueError as error:
            raise BadDeviceData(f"{host}:{port} said {line[:50]!r}") from error
        return Sample(import_wh=import_wh, export_wh=export_wh, power_w=power_w)
