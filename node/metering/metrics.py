"""What the meter reading counts, for Prometheus. Every series stands at zero from the start."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from node.metering.entries import Entry, FaultEntry
from node.metering.fault_kinds import FaultKind
from node.metering.service import Meter, Outcome, Taken
from node.metering.spool import Spool

DRIVERS: Final = ("modbus", "mqtt", "http", "poll")


class Metrics:
    """The series of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._readings = Counter(
            "gridtrace_meter_readings", "Readings by what became of them.", ["state"], registry=self.registry
        )
        self._faults = Counter("gridtrace_meter_faults", "Faults seen, by kind.", ["kind"], registry=self.registry)
        self._meters = Gauge("gridtrace_meters", "Active meters by driver.", ["driver"], registry=self.registry)
        self._waiting = Gauge(
            "gridtrace_meter_buffer_bytes", "Bytes on disk that the database does not have yet.", registry=self.registry
        )
        for state in Taken:
            self._readings.labels(state=state.value)
        for kind in FaultKind:
            self._faults.labels(kind=kind.value)
        for driver in DRIVERS:
            self._meters.labels(driver=driver)

    @asynccontextmanager
    async def serving(self, port: int | None) -> AsyncIterator[None]:
        """Answers ``/metrics`` on a local port; on none where it is None."""
        if port is None:
            yield
            return
        app = web.Application()
        app.router.add_get("/metrics", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def took(self, entries: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
        """Counts a batch that is in the database."""
        for outcome in outcomes:
            self._readings.labels(state=outcome.state.value).inc()
        for entry in entries:
            if isinstance(entry, FaultEntry):
                self._faults.labels(kind=entry.kind.value).inc()

    def loaded(self, meters: Sequence[Meter], spool: Spool | None) -> None:
        """Notes what is read now, and what waits."""
        for driver in DRIVERS:
            self._meters.labels(driver=driver).set(sum(meter.driver == driver for meter in meters))
        self._waiting.set(0 if spool is None else spool.waiting_bytes)
