"""The meters of a season: what they say of each slot, in what order, how often, and when."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

import aiomqtt

from contracts.typed_data import Reading, reading_digest, sign
from indexer.db import Pool
from node.metering import payload
from node.metering.mqtt import client, topic_of
from tests.integration.node.settlement.village import BYSTANDER, HOME, NEIGHBOUR, PLANT, SLOT, SLOT_S, key_of

PEOPLE: Final = (PLANT, HOME, NEIGHBOUR, BYSTANDER)
TWICE, ORDER, SKEW, AHEAD, LATE = (
    "readings twice",
    "readings in the wrong order",
    "a meter's clock off by minutes",
    "a meter's clock hours ahead",
    "a silent meter, whose readings come two slots later",
)
FAULTS: Final = (TWICE, ORDER, SKEW, AHEAD, LATE)
PUBLISH_S: Final = 10.0
Key: TypeAlias = tuple[int, int, int]


@dataclass(slots=True)
class Meters:
    """Registers and counters of all meters, and all that they have said."""

    url: str
    random: Random
    said: dict[Key, Reading] = field(default_factory=dict)
    slot_of: dict[Key, int] = field(default_factory=dict)
    _counter: dict[int, int] = field(default_factory=lambda: dict.fromkeys(PEOPLE, 0))
    _registers: dict[int, tuple[int, int]] = field(default_factory=lambda: dict.fromkeys(PEOPLE, (50_000, 90_000)))
    _held: list[Reading] = field(default_factory=list)
    _silent_until: int = 0

    async def begin(self) -> None:
        """Everybody's first reading, at the first slot's start."""
        await self._publish([self._read(number, SLOT, SLOT) for number in PEOPLE])

    async def say(self, slot: int, fault: str | None) -> None:
        """Everybody's readings of one slot."""
        if fault == LATE:
            self._silent_until = slot + 2 * SLOT_S
        readings = [reading for number in PEOPLE for reading in self._of_slot(number, slot, fault)]
        if fault == ORDER:
            self.random.shuffle(readings)
        if fault == TWICE:
            readings = [reading for reading in readings for _ in range(2)]
        if slot < self._silent_until:
            self._held += [reading for reading in readings if reading.meter_id == HOME]
            readings = [reading for reading in readings if reading.meter_id != HOME]
        else:
            readings, self._held = [*self._held, *readings], []
        await self._publish(readings)

    async def say_the_rest(self) -> None:
        """Whatever was held back."""
        rest, self._held = self._held, []
        await self._publish(rest)

    async def repeat(self, pool: Pool) -> int:
        """Publishes again what is not in the database: a broker that was stopped has forgotten it."""
        missing = await self.missing(pool)
        again = [reading for reading in missing.values() if reading not in self._held]
        await self._publish(sorted(again, key=lambda reading: reading.counter))
        return len(again)

    async def missing(self, pool: Pool) -> dict[Key, Reading]:
        """All that was said and is not in the database."""
        rows = await pool.fetch(
            "select meter_id, extract(epoch from time)::bigint as time, counter from telemetry.readings"
        )
        there = {tuple(row) for row in rows}
        return {key: reading for key, reading in self.said.items() if key not in there}

    def _of_slot(self, number: int, slot: int, fault: str | None) -> list[Reading]:
        half = slot + SLOT_S // 2
        readings = []
        if number == HOME and fault == AHEAD:
            readings.append(self._read(number, slot + 40 * SLOT_S, slot))
        if number == HOME and fault == SKEW:
            half += self.random.randint(-300, 300)
        for time_s in (half, slot + SLOT_S):
            self._flow(number)
            readings.append(self._read(number, time_s, slot))
        return readings

    def _flow(self, number: int) -> None:
        imported, exported = self._registers[number]
        if number == PLANT:
            exported += self.random.randint(700, 1_300)
        else:
            imported += self.random.randint(0, 800)
        self._registers[number] = (imported, exported)

    def _read(self, number: int, time_s: int, slot: int) -> Reading:
        self._counter[number] += 1
        reading = Reading(number, time_s, self._counter[number], *self._registers[number], 0)
        self.said[_key(reading)] = reading
        self.slot_of[_key(reading)] = slot
        return reading

    async def _publish(self, readings: Sequence[Reading]) -> None:
        messages = [(topic_of(one.meter_id), payload.encode(one, _signature(one))) for one in readings]
        while messages:
            # A meter says a thing until the broker has taken it.
            with suppress(aiomqtt.MqttError, OSError, TimeoutError):
                async with asyncio.timeout(PUBLISH_S), client(self.url, "soak-meters", is_persistent=False) as mqtt:
                    for topic, message in list(messages):
                        await mqtt.publish(topic, message, qos=1)
                        messages.pop(0)
            if messages:
                await asyncio.sleep(0.2)


def _key(reading: Reading) -> Key:
    return reading.meter_id, reading.time, reading.counter


def _signature(reading: Reading) -> bytes:
    return sign(reading_digest(reading), key_of(reading.meter_id))
