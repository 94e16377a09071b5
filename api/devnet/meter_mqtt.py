"""Simulated meters that sign their readings and publish them over MQTT.

Each publishes at every multiple of the interval and at every slot boundary. How far it got is kept in a file, and
only moves when the broker has taken the message: after an outage or a restart the slot boundaries missed are
published first (a real meter keeps them too), then it goes on at the present.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiomqtt

from api.devnet.meter_registers import SimulatedMeter
from contracts.typed_data import reading_digest, sign
from indexer.clock import SimulatedClock
from node.metering import payload
from node.metering.mqtt import client, topic_of

logger = logging.getLogger(__name__)

RECONNECT_S: Final = 0.5
MOST_SLOTS_KEPT: Final = 10 * 96


class Progress:
    """The market time up to which everything is published; survives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> int | None:
        """None where nothing was published yet."""
        try:
            return int(json.loads(self._path.read_text())["published_s"])
        except FileNotFoundError:
            return None

    def save(self, published_s: int) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"published_s": published_s}))
        fresh.replace(self._path)


def due_times(published_s: int, now_s: int, interval_s: int, slot_s: int) -> list[int]:
    """Publishing times after ``published_s``: the slot boundaries missed, and the newest interval, up to now."""
    first = max(published_s // slot_s + 1, now_s // slot_s - MOST_SLOTS_KEPT + 1)
    due = {slot * slot_s for slot in range(first, now_s // slot_s + 1)}
    newest = now_s // interval_s * interval_s
    if newest > published_s:
        due.add(newest)
    return sorted(due)


async def publish(
    meters: Sequence[SimulatedMeter], url: str, clock: SimulatedClock, interval_s: int, slot_s: int, state_file: Path
) -> None:
    """Publishes until cancelled, through every outage of the broker."""
    progress = Progress(state_file)
    keys = [bytes.fromhex((meter.spec.key or "").removeprefix("0x")) for meter in meters]
    published_s = progress.load()
    if published_s is None:
        published_s = int(clock.now_s()) // slot_s * slot_s - 1
    is_connected = True
    while True:
        try:
            async with client(url, "gridtrace-devnet-meters", is_persistent=False) as mqtt:
                is_connected = True
                mqtt.pending_calls_threshold = len(meters)
                while True:
                    for time_s in due_times(published_s, int(clock.now_s()), interval_s, slot_s):
                        pairs = zip(meters, keys, strict=True)
                        await asyncio.gather(*(_say(mqtt, meter, key, time_s) for meter, key in pairs))
                        published_s = time_s
                        progress.save(published_s)
                    await clock.sleep_until(min((published_s // step + 1) * step for step in (interval_s, slot_s)))
        except aiomqtt.MqttError as error:
            if is_connected:
                logger.warning("broker lost name=%s error=%s", urlsplit(url).hostname, error)
            is_connected = False
            await asyncio.sleep(RECONNECT_S)


async def _say(mqtt: aiomqtt.Client, meter: SimulatedMeter, key: bytes, time_s: int) -> None:
    reading = meter.reading(time_s)
    content = payload.encode(reading, sign(reading_digest(reading), key))
    await mqtt.publish(topic_of(meter.spec.meter_id), content, qos=1)
