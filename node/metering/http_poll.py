"""Meters with an HTTP interface: asked for a JSON document, which the gateway signs."""

import asyncio
import base64
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
import msgspec

from indexer.clock import Clock
from node.errors import Refused
from node.metering import devices, payload
from node.metering.device_types import BadDeviceData, Device, Value
from node.metering.fields import Fields
from node.metering.lines import NoAnswer
from node.metering.meter import Gateway, Inbox, Outages
from node.metering.modbus_address import BadMeterAddress
from node.metering.service import Meter

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0
MOST_BYTES: Final = 64 << 10
AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: without the user's name and password, which stand apart."""

    url: str
    user: str | None = None
    password: str = ""

    @classmethod
    def of(cls, address: str, path: str) -> "Target":
        """From ``http[s]://[user:password@]host[:port]`` and the device's path.

        Raises:
            BadMeterAddress: it reads otherwise.
        """
        parts = urlsplit(address)
        try:
            port = parts.port
        except ValueError as error:
            raise BadMeterAddress(f"{address!r}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise BadMeterAddress(f"{parts.hostname or address!r} does not read http[s]://[user:password@]host[:port]")
        host = parts.hostname if port is None else f"{parts.hostname}:{port}"
        url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", "")) + path
        return cls(url, None if parts.username is None else unquote(parts.username), unquote(parts.password or ""))


def read_secrets(path: Path | None) -> Mapping[str, Mapping[str, str]]:
    """Headers by host, from a TOML file: ``["meter.local"]`` and below it ``Authorization = "Bearer …"``.

    Raises:
        OSError, msgspec.MsgspecError: it cannot be read, or is no such file.
    """
    return {} if path is None else msgspec.toml.decode(path.read_bytes(), type=dict[str, dict[str, str]])


async def ask(session: aiohttp.ClientSession, target: Target, headers: Mapping[str, str]) -> object:
    """The JSON document.

    Raises:
        NoAnswer: nothing comes within the time limit, or the device is busy.
        BadDeviceData: what comes is no JSON, too long, or an error.
    """
    if target.user is not None:
        said = base64.b64encode(f"{target.user}:{target.password}".encode()).decode()
        headers = {"Authorization": f"Basic {said}", **headers}
    try:
        # A meter has no reason to send us elsewhere.
        async with session.get(target.url, headers=headers, allow_redirects=False) as answer:
            content = await answer.content.read(MOST_BYTES + 1)
            while len(content) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                content += more
    except (aiohttp.ClientConnectionError, aiohttp.ServerTimeoutError, TimeoutError) as error:
        raise NoAnswer(f"{target.url}: {type(error).__name__} {error}".strip()) from error
    except aiohttp.ClientError as error:
        raise BadDeviceData(f"{target.url}: {type(error).__name__} {error}") from error
    if answer.status != 200:
        kind = NoAnswer if answer.status in (429, 503) else BadDeviceData
        raise kind(f"{target.url} answered {answer.status}")
    return payload.decode_json(content, MOST_BYTES)


def open_session() -> aiohttp.ClientSession:
    """A session with our time limit."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


async def read_once(device: Device, address: str) -> list[Value]:
    """Everything that a device says, for a person.

    Raises:
        BadDeviceData, BadMeterAddress: from ``ask`` and the map.
    """
    fields = Fields(device)
    async with open_session() as session:
        fields.take("{}", await ask(session, Target.of(address, device.path), {}))
    return fields.values()


@dataclass(slots=True)
class _Asked:
    meter: Meter
    device: Device
    target: Target
    fields: Fields


class HttpPoller:
    """Asks every HTTP meter in turn, several at the same time."""

    def __init__(
        self,
        gateway: Gateway,
        inbox: Inbox,
        clock: Clock,
        poll_s: float,
        maps: Path | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._gateway, self._inbox, self._clock = gateway, inbox, clock
        self._poll_s, self._maps, self._secrets = poll_s, maps, secrets or {}
        self._meters: dict[int, _Asked] = {}
        self._units = Outages("meter")
        self._registrations = Outages("meter registration")
        self._known = asyncio.Event()
        self._round = asyncio.Event()

    def update(self, meters: Iterable[Meter]) -> None:
        """Asks these meters from now on."""
        found: dict[int, _Asked] = {}
        for meter in meters:
            before = self._meters.get(meter.meter_id)
            if before is not None and before.meter == meter:
                found[meter.meter_id] = before
                continue
            try:
                device = devices.load(meter.device, self._maps)
                found[meter.meter_id] = _Asked(meter, device, Target.of(meter.address, device.path), Fields(device))
                self._registrations.worked(str(meter.meter_id))
            except Refused as error:
                self._registrations.failed(str(meter.meter_id), error)
        if found.keys() - self._meters.keys():
            self._round.clear()
        self._meters = found
        self._known.set()
        if not found:
            self._round.set()

    async def all_asked(self) -> None:
        """Returns once every meter known now was asked."""
        await self._round.wait()

    async def run(self) -> None:
        """Asks until cancelled, from the first ``update`` on."""
        await self._known.wait()
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(asked: _Asked) -> None:
            async with slots:
                await self.read(session, asked)

        async with open_session() as session:
            next_s = loop.time()
            while True:
                asked = tuple(self._meters.values())
                await asyncio.gather(*map(one, asked))
                if {one.meter.meter_id for one in asked} >= self._meters.keys():
                    self._round.set()
                next_s = max(next_s + self._poll_s, loop.time())
                await asyncio.sleep(next_s - loop.time())

    async def read(self, session: aiohttp.ClientSession, asked: _Asked) -> None:
        """Reads one meter, if it is due, and hands in what is new."""
        name = str(asked.meter.meter_id)
        if not self._units.is_due(name):
            return
        host = urlsplit(asked.target.url).netloc
        try:
            sample = asked.fields.take("{}", await ask(session, asked.target, self._secrets.get(host, {})))
        except BadDeviceData as error:
            self._units.failed(name, error)
            await self._inbox.tell(asked.meter, error, self._clock.now_s())
            return
        self._units.worked(name)
        if sample is not None:
            await self._inbox.hand_in(self._gateway, asked.meter, asked.device, sample, self._clock.now_s())
