"""One local port that says how the process is: Prometheus' series, whether it lives, and whether it is up to date."""

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from indexer.metrics import Metrics, Series

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
READY_LAG_BLOCKS: Final = 8
"""Further behind than this, the mirror is not ready."""
SILENT_S: Final = 120.0
"""A chain whose last step is longer ago has stopped."""


class Telemetry:
    """The series and states of all chains of the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._series = Series(self.registry)
        self._chains: dict[int, Metrics] = {}

    def chain(self, chain_id: int) -> Metrics:
        """One chain's series; the same ones whenever asked for."""
        if chain_id not in self._chains:
            self._chains[chain_id] = Metrics(chain_id, self._series)
        return self._chains[chain_id]

    def report(self) -> tuple[bool, bool, dict[str, Any]]:
        """Whether the process lives, whether all chains are up to date, and what each of them does."""
        chains = {str(chain_id): self._state(metrics) for chain_id, metrics in self._chains.items()}
        alive = all(state["alive"] for state in chains.values())
        return alive, alive and all(state["ready"] for state in chains.values()), {"chains": chains}

    @staticmethod
    def _state(metrics: Metrics) -> dict[str, Any]:
        silent_s = time.monotonic() - metrics.heard_s
        return {
            "alive": silent_s < SILENT_S,
            # Who stands by is ready to take over.
            "ready": metrics.state == "standby" or (metrics.state == "running" and metrics.behind <= READY_LAG_BLOCKS),
            "state": metrics.state,
            "block": metrics.block,
            "behind": metrics.behind,
            "silent_s": round(silent_s, 1),
            **({"reason": metrics.reason} if metrics.reason else {}),
        }

    @asynccontextmanager
    async def serving(self, port: int | None) -> AsyncIterator[None]:
        """Answers ``/metrics``, ``/health`` and ``/ready`` on a local port; on none where it is None."""
        if port is None:
            yield
            return
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
            logger.info("metrics url=http://%s:%d/metrics", HOST, port)
            yield
        finally:
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _health(self, request: web.Request) -> web.Response:
        alive, _, report = self.report()
        return _answer(alive, report)

    async def _ready(self, request: web.Request) -> web.Response:
        _, ready, report = self.report()
        return _answer(ready, report)


def _answer(good: bool, report: dict[str, Any]) -> web.Response:
    return web.Response(status=200 if good else 503, text=json.dumps(report), content_type="application/json")
