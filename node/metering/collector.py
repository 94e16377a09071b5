"""The process's meter reading: every driver into one inbox, one writer to disk and database."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from indexer.clock import Clock
from indexer.db import Connection, Pool, transaction
from node.bus import Publisher
from node.config import NodeConfig
from node.metering import appliances, baselines, http_poll, intake, service
from node.metering.buffer import Buffer, BufferFull
from node.metering.entries import Entry, FaultEntry, ReadingEntry
from node.metering.http_poll import HttpPoller
from node.metering.meter import Delivery, Driver, Gateway, Inbox, Outages
from node.metering.metrics import Metrics
from node.metering.modbus import Poller
from node.metering.mqtt import Listener
from node.metering.service import Outcome, Taken
from node.metering.spool import DATABASE, DATABASE_AWAY, MOST_PER_BATCH, Spool
from node.metering.watcher import Watcher

logger = logging.getLogger(__name__)

RELOAD_S: Final = 2.0
FULL_RETRY_S: Final = 0.5


@dataclass(slots=True)
class Watch:
    """Since when this process reads the meters: what it did not see before, it cannot call missing."""

    since_s: float | None = None
    """Market time at which every meter known at the start had been asked once and the broker had been joined; None
    before. What cannot be reached counts as asked, so that it does not hold up the others."""


class Collector:
    """Reads all registered meters and stores what they say."""

    def __init__(
        self, pool: Pool, config: NodeConfig, bus: Publisher, clock: Clock, watch: Watch, metrics: Metrics
    ) -> None:
        self._pool, self._bus, self._clock, self._watch, self._config = pool, bus, clock, watch, config
        self._slot_s = config.market.slot_s
        self._inbox = Inbox()
        self._gateway = Gateway.open(config.gateway_key_file, self._slot_s)
        self._watcher = Watcher(config.market.slot_s + config.market.reading_grace_s)
        self._metrics = metrics
        self._database = Outages("database", last_retry_s=2.0)
        self._full = Outages("buffer", last_retry_s=2.0)
        self._refusals = Outages("readings")
        self._spool: Spool | None = None
        if config.meter_buffer is not None:
            buffer = Buffer.first_free(config.meter_buffer, "node", config.meter_buffer_bytes)
            self._spool = Spool(buffer, pool, clock, self._slot_s, self._tell)

    async def run(self) -> None:
        """Reads and stores until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                drivers = self._drivers(group)
                loaded = asyncio.Event()
                group.create_task(self._reload(drivers, loaded))
                group.create_task(self._note_start(drivers, loaded))
                group.create_task(self._write())
                if self._spool is not None:
                    group.create_task(self._spool.run())
        finally:
            if self._spool is not None:
                self._spool.buffer.close()

    def _drivers(self, group: asyncio.TaskGroup) -> dict[str, Driver]:
        """Every kind of meter, by the ``driver`` that it is registered with."""
        config, common = self._config, (self._gateway, self._inbox, self._clock)
        maps = config.meter_maps
        asker = HttpPoller(*common, config.meter_poll_s, maps, http_poll.read_secrets(config.meter_secrets_file))
        group.create_task(asker.run())
        drivers: dict[str, Driver] = {"modbus": Poller(group, *common, config.meter_poll_s, maps), "poll": asker}
        if config.mqtt_url:
            listener = Listener(config.mqtt_url, *common, maps)
            group.create_task(listener.run())
            drivers["mqtt"] = listener
        return drivers

    async def _note_start(self, drivers: dict[str, Driver], loaded: asyncio.Event) -> None:
        await loaded.wait()
        for driver in drivers.values():
            await driver.all_asked()
        self._watch.since_s = self._clock.now_s()
        logger.info("every meter is being read since_s=%d", self._watch.since_s)

    async def _reload(self, drivers: dict[str, Driver], loaded: asyncio.Event) -> None:
        if self._spool is not None:  # chains go on from what was kept before the last end
            await self._spool.drained()
        while True:
            try:
                async with transaction(self._pool) as db:
                    meters = await service.meters(db)
                    latest = await service.latest(db, [meter.meter_id for meter in meters])
                    self._gateway.resume(latest, await baselines.newest(db))
                    await self._watcher.look(db, self._clock.now_s(), self._watch.since_s)
                    await self._account_appliances(db)
            except DATABASE_AWAY as error:
                await asyncio.sleep(self._database.failed(DATABASE, error))
                continue
            self._metrics.loaded(meters, self._spool)
            for name, driver in drivers.items():
                driver.update([meter for meter in meters if meter.driver == name])
            loaded.set()
            await asyncio.sleep(RELOAD_S)

    async def _account_appliances(self, db: Connection) -> None:
        rules = self._config.market
        times = {"slot_s": rules.slot_s, "grace_s": rules.reading_grace_s, "gap_s": rules.reading_gap_s}
        await appliances.account(db, self._clock.now_s(), **times)

    async def _write(self) -> None:
        # No waiting for a full batch: while one is being stored, the next one gathers by itself.
        while True:
            # Brokers hand over what they kept in any order; a chain is only extended at its end.
            deliveries = sorted(await self._inbox.take(MOST_PER_BATCH), key=_time_of)
            entries = [delivery.entry for delivery in deliveries]
            outcomes = await self._store(entries)
            for delivery in deliveries:
                if delivery.stored is not None:
                    delivery.stored()
            if outcomes is not None:
                await self._tell(entries, outcomes)

    async def _store(self, entries: Sequence[Entry]) -> list[Outcome] | None:
        """Returns once the entries cannot be lost any more; None where they wait on disk for the database."""
        while True:
            try:
                if self._spool is not None:
                    await self._spool.keep(entries)
                    return None
                async with transaction(self._pool) as db:
                    now_s = self._clock.now_s()
                    outcomes = await intake.take_entries(db, entries, now_s=now_s, slot_s=self._slot_s)
            except BufferFull as error:
                self._full.failed("full", error)
                await asyncio.sleep(FULL_RETRY_S)
            except DATABASE_AWAY as error:
                await asyncio.sleep(self._database.failed(DATABASE, error))
            else:
                self._database.worked(DATABASE)
                return outcomes

    async def _tell(self, entries: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
        self._full.worked("full")
        self._metrics.took(entries, outcomes)
        self._watcher.take(entries, outcomes)
        for outcome in outcomes:
            name = f"meter {outcome.meter_id}"
            if outcome.state is Taken.REFUSED:
                self._refusals.failed(name, f"{outcome.reason} time={outcome.time} counter={outcome.counter}")
            elif outcome.state is Taken.VALIDATED:
                self._refusals.worked(name)
                self._inbox.forget(outcome.meter_id)
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


def _time_of(delivery: Delivery) -> int:
    entry = delivery.entry
    if isinstance(entry, ReadingEntry):
        return entry.time
    return entry.at if isinstance(entry, FaultEntry) else entry.since


async def run(
    pool: Pool,
    config: NodeConfig,
    bus: Publisher,
    clock: Clock,
    watch: Watch | None = None,
    metrics: Metrics | None = None,
) -> None:
    """Polls meters every ``config.meter_poll_s`` real seconds and takes in MQTT, until cancelled.

    ``watch`` is told since when every meter is read.

    Raises:
        OSError, ValueError, BufferInUse: a key, a secrets file or the buffer's folder cannot be used.
    """
    watch = watch or Watch()
    watch.since_s = None
    metrics = metrics or Metrics()
    async with metrics.serving(config.node_metrics_port):
        await Collector(pool, config, bus, clock, watch, metrics).run()
