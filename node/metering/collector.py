"""The process's meter reading: every driver into one inbox, one writer into the database."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from indexer.clock import Clock
from indexer.db import Pool, transaction
from node.bus import Publisher
from node.config import NodeConfig
from node.metering import service
from node.metering.meter import Delivery, Gateway, Inbox, Outages
from node.metering.modbus import Poller
from node.metering.mqtt import Listener
from node.metering.service import Outcome, Taken

logger = logging.getLogger(__name__)

MOST_PER_BATCH: Final = 1_000
RELOAD_S: Final = 2.0
DATABASE: Final = "postgresql"

DATABASE_AWAY: Final = (
    OSError,  # among them TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
)
"""What passes by waiting; everything else is a fault of ours."""


@dataclass(slots=True)
class Watch:
    """Since when this process reads the meters: what it did not see before, it cannot call missing."""

    since_s: float | None = None
    """Market time at which every meter known at the start had been asked once and the broker had been joined; None
    before. What cannot be reached counts as asked, so that it does not hold up the others."""


class Collector:
    """Reads all registered meters and stores what they say."""

    def __init__(self, pool: Pool, config: NodeConfig, bus: Publisher, clock: Clock, watch: Watch) -> None:
        self._pool, self._bus, self._clock, self._watch = pool, bus, clock, watch
        self._slot_s = config.market.slot_s
        self._inbox = Inbox()
        self._gateway = Gateway.open(config.gateway_key_file)
        self._poll_s = config.meter_poll_s
        self._listener: Listener | None = None
        if config.mqtt_url:
            self._listener = Listener(config.mqtt_url, self._gateway, self._inbox, clock)
        self._database = Outages("database", last_retry_s=2.0)
        self._refusals = Outages("readings")

    async def run(self) -> None:
        """Reads and stores until cancelled."""
        async with asyncio.TaskGroup() as group:
            poller = Poller(group, self._gateway, self._inbox, self._clock, self._poll_s)
            loaded = asyncio.Event()
            group.create_task(self._reload(poller, loaded))
            group.create_task(self._note_start(poller, loaded))
            group.create_task(self._write())
            if self._listener is not None:
                group.create_task(self._listener.run())

    async def _note_start(self, poller: Poller, loaded: asyncio.Event) -> None:
        await loaded.wait()
        await poller.all_asked()
        if self._listener is not None:
            await self._listener.tried()
        self._watch.since_s = self._clock.now_s()
        logger.info("every meter is being read since_s=%d", self._watch.since_s)

    async def _reload(self, poller: Poller, loaded: asyncio.Event) -> None:
        while True:
            try:
                async with transaction(self._pool) as db:
                    meters = await service.meters(db)
                    self._gateway.resume(await service.latest(db, [meter.meter_id for meter in meters]))
            except DATABASE_AWAY as error:
                await asyncio.sleep(self._database.failed(DATABASE, error))
                continue
            poller.update(meter for meter in meters if meter.driver == "modbus")
            if self._listener is not None:
                self._listener.update(meter for meter in meters if meter.driver == "mqtt")
            loaded.set()
            await asyncio.sleep(RELOAD_S)

    async def _write(self) -> None:
        # No waiting for a full batch: while one is being stored, the next one gathers by itself.
        while True:
            # Brokers hand over what they kept in any order; a chain is only extended at its end.
            deliveries = sorted(await self._inbox.take(MOST_PER_BATCH), key=lambda one: one.signed.reading.time)
            outcomes = await self._store(deliveries)
            for delivery in deliveries:
                if delivery.stored is not None:
                    delivery.stored()
            await self._tell(outcomes)

    async def _store(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        readings = [delivery.signed for delivery in deliveries]
        while True:
            try:
                async with transaction(self._pool) as db:
                    outcomes = await service.accept(db, readings, now_s=self._clock.now_s(), slot_s=self._slot_s)
            except DATABASE_AWAY as error:
                await asyncio.sleep(self._database.failed(DATABASE, error))
            else:
                self._database.worked(DATABASE)
                return outcomes

    async def _tell(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            name = f"meter {outcome.meter_id}"
            if outcome.state is Taken.REFUSED:
                self._refusals.failed(name, f"{outcome.reason} time={outcome.time} counter={outcome.counter}")
            elif outcome.state is Taken.VALIDATED:
                self._refusals.worked(name)
        accepted = [outcome for outcome in outcomes if outcome.state is Taken.VALIDATED]
        if accepted:
            await self._bus.publish(
                "readings",
                {
                    "type": "readings",
                    "accepted": len(accepted),
                    "refused": sum(outcome.state is Taken.REFUSED for outcome in outcomes),
                    "time": max(outcome.time for outcome in accepted),
                },
            )


async def run(pool: Pool, config: NodeConfig, bus: Publisher, clock: Clock, watch: Watch | None = None) -> None:
    """Polls the Modbus meters every ``config.meter_poll_s`` real seconds and takes in MQTT, until cancelled.

    ``watch`` is told since when every meter is read.
    """
    watch = watch or Watch()
    watch.since_s = None
    await Collector(pool, config, bus, clock, watch).run()
