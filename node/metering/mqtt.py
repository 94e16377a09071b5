"""Meters that publish over MQTT: readings they signed themselves, or values that the gateway signs for them."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiomqtt

from contracts.errors import GridtraceError
from indexer.clock import Clock
from node.bus import stop_if_cancelled
from node.errors import Refused
from node.metering import devices, payload
from node.metering.device_types import BadDeviceData, Device
from node.metering.entries import ReadingEntry
from node.metering.fields import Fields
from node.metering.meter import Delivery, Gateway, Inbox, Outages
from node.metering.readings import SignedReading, is_storable
from node.metering.service import Meter

logger = logging.getLogger(__name__)

SIGNED_TOPICS: Final = "gridtrace/meters/+/reading"
_SIGNED_TOPIC: Final = re.compile(r"gridtrace/meters/\d+/reading")
TIMEOUT_S: Final = 5.0


def topic_of(meter_id: int) -> str:
    """Where a signing meter publishes its readings."""
    return f"gridtrace/meters/{meter_id}/reading"


def client(url: str, identifier: str, *, is_persistent: bool) -> aiomqtt.Client:
    """A client of the broker at ``mqtt[s]://[user:password@]host:port``.

    A persistent session makes the broker keep what comes while we are away.
    """
    parts = urlsplit(url)
    return aiomqtt.Client(
        parts.hostname or "127.0.0.1",
        parts.port or (8883 if parts.scheme == "mqtts" else 1883),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        identifier=identifier,
        clean_session=not is_persistent,
        timeout=TIMEOUT_S,
        tls_params=aiomqtt.TLSParameters() if parts.scheme == "mqtts" else None,
    )


@dataclass(frozen=True, slots=True)
class _Heard:
    """A meter that the gateway signs for, and what it has said so far."""

    meter: Meter
    device: Device
    fields: Fields


class Listener:
    """Takes the readings of the known meters in, and acknowledges each once it cannot be lost any more."""

    def __init__(self, url: str, gateway: Gateway, inbox: Inbox, clock: Clock, maps: Path | None = None) -> None:
        self._url, self._gateway, self._inbox, self._clock, self._maps = url, gateway, inbox, clock, maps
        self._meters: dict[int, _Heard] = {}
        self._topics: dict[str, list[_Heard]] = {}
        self._broker = Outages("broker")
        self._senders = Outages("meter messages")
        self._registrations = Outages("meter registration")
        self._changed = asyncio.Event()
        self._tried = asyncio.Event()

    def update(self, meters: Iterable[Meter]) -> None:
        """Listens to these meters from now on."""
        found: dict[int, _Heard] = {}
        for meter in meters:
            before = self._meters.get(meter.meter_id)
            if before is not None and before.meter == meter:
                found[meter.meter_id] = before
                continue
            try:
                device = devices.load(meter.device, self._maps)
                found[meter.meter_id] = _Heard(meter, device, Fields(device, meter.address))
                self._registrations.worked(str(meter.meter_id))
            except Refused as error:
                self._registrations.failed(str(meter.meter_id), error)
        topics: dict[str, list[_Heard]] = {}
        for heard in found.values():
            for topic in (heard.meter.address,) if heard.device.signed else heard.fields.topics:
                topics.setdefault(topic, []).append(heard)
        self._meters, self._topics = found, topics
        self._changed.set()

    async def all_asked(self) -> None:
        """Returns once the broker has taken the subscription, or could not be reached."""
        await self._tried.wait()

    async def run(self) -> None:
        """Listens until cancelled, from the first ``update`` on and through every outage of the broker."""
        await self._changed.wait()
        host = urlsplit(self._url).hostname or self._url
        while True:
            try:
                await self._session(host)
            except* aiomqtt.MqttError as errors:
                stop_if_cancelled()
                self._tried.set()
                await asyncio.sleep(self._broker.failed(host, errors.exceptions[0]))

    async def _session(self, host: str) -> None:
        identifier = f"gridtrace-{self._gateway.address.hex()[:12]}"
        mqtt = client(self._url, identifier, is_persistent=True)
        # A message counts as delivered when its reading is stored, not when it is received.
        mqtt._client.manual_ack_set(True)
        async with mqtt, asyncio.TaskGroup() as group:
            self._broker.worked(host)
            # Beside the messages: a broker may first want those acknowledged that it kept from the last session.
            subscribing = group.create_task(self._subscribe(mqtt))
            try:
                async for message in mqtt.messages:
                    await self._take(message, _acknowledge(mqtt, message))
            finally:
                subscribing.cancel()

    async def _subscribe(self, mqtt: aiomqtt.Client) -> None:
        await mqtt.subscribe(SIGNED_TOPICS, qos=1)
        subscribed: set[str] = set()
        while True:
            self._changed.clear()
            own = {topic for topic in self._topics if not _SIGNED_TOPIC.fullmatch(topic)}
            for topic in own - subscribed:
                await mqtt.subscribe(topic, qos=1)
            for topic in subscribed - own:
                await mqtt.unsubscribe(topic)
            subscribed = own
            stop_if_cancelled()
            self._tried.set()
            await self._changed.wait()

    async def _take(self, message: aiomqtt.Message, acknowledge: Callable[[], None]) -> None:
        topic, content = str(message.topic), message.payload
        try:
            if not isinstance(content, bytes | bytearray):
                raise BadDeviceData(f"empty message on {topic!r}")
            if _SIGNED_TOPIC.fullmatch(topic):  # the database knows better than we whether the meter is registered
                signed = payload.decode(bytes(content))
                if topic != topic_of(signed.reading.meter_id):
                    raise BadDeviceData(f"meter {signed.reading.meter_id} spoke on {topic!r}")
                await self._hand_in(signed, acknowledge)
            else:
                await self._take_fields(topic, bytes(content), acknowledge, is_old=bool(message.retain))
        except GridtraceError as error:
            self._senders.failed(topic, error)
            acknowledge()
            return
        self._senders.worked(topic)

    async def _hand_in(self, signed: SignedReading, acknowledge: Callable[[], None]) -> None:
        if not is_storable(signed.reading):
            raise BadDeviceData(f"meter {signed.reading.meter_id} says numbers that no meter has")
        await self._inbox.put(Delivery(ReadingEntry.of(signed), acknowledge))

    async def _take_fields(self, topic: str, content: bytes, acknowledge: Callable[[], None], *, is_old: bool) -> None:
        listeners = self._topics.get(topic, [])
        if not listeners:
            raise Refused(f"no meter is registered for the topic {topic!r}")
        left = _After(len(listeners), acknowledge)
        for heard in listeners:
            if heard.device.signed:
                await self._hand_in(payload.decode(content), left.one)
            elif is_old:  # it says nothing of when it was measured
                left.one()
            else:
                await self._take_sample(heard, topic, content, left.one)

    async def _take_sample(self, heard: _Heard, topic: str, content: bytes, done: Callable[[], None]) -> None:
        now_s = self._clock.now_s()
        try:
            sample = heard.fields.take(topic, payload.decode_json(content))
        except BadDeviceData as error:
            self._senders.failed(topic, error)
            await self._inbox.tell(heard.meter, error, now_s)
            done()
            return
        if sample is None:
            done()
        else:
            await self._inbox.hand_in(self._gateway, heard.meter, heard.device, sample, now_s, done)


class _After:
    """Calls once, after so many."""

    def __init__(self, count: int, call: Callable[[], None]) -> None:
        self._left, self._call = count, call

    def one(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._call()


def _acknowledge(mqtt: aiomqtt.Client, message: aiomqtt.Message) -> Callable[[], None]:
    def acknowledge() -> None:
        if message.qos > 0:
            mqtt._client.ack(message.mid, message.qos)

    return acknowledge
