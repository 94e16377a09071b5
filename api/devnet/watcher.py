"""Keeps the processes of a run alive: what dies is started again, after a pause that grows while it keeps dying."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.devnet.process import Service, ServiceFailed
from indexer.errors import ConfigError

logger = logging.getLogger(__name__)

POLL_S: Final = 0.1
PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
HEALTHY_S: Final = 20.0


@dataclass(slots=True)
class Watched:
    """One process and how often it had to be started again."""

    service: Service
    restarts: int = 0
    failures: int = 0
    started: float = 0.0
    due: float | None = None


class Watcher:
    """Starts services and starts them again when they end."""

    def __init__(self) -> None:
        self.watched: list[Watched] = []

    @property
    def restarts(self) -> int:
        return sum(entry.restarts for entry in self.watched)

    def health(self) -> dict[str, str]:
        """Each process: up, or down."""
        return {entry.service.name: "up" if entry.service.alive() else "down" for entry in self.watched}

    async def start(self, *services: Service) -> None:
        """Starts them side by side and returns when all answer; raises ServiceFailed."""
        for service in services:
            service.spawn()
            self.watched.append(Watched(service, started=time.monotonic()))
        await asyncio.gather(*(asyncio.to_thread(service.wait_ready) for service in services))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for entry in self.watched:
                self.look_after(entry, time.monotonic())
            await asyncio.sleep(POLL_S)

    def look_after(self, entry: Watched, now: float) -> None:
        """Starts one process again where it has ended and its pause is over."""
        service = entry.service
        if service.alive():
            if entry.failures and now - entry.started > HEALTHY_S:
                entry.failures = 0
            return
        if entry.due is None:
            pause_s = PAUSES_S[min(entry.failures, len(PAUSES_S) - 1)]
            logger.warning("process=%s ended, starts again in %.1f s: %s", service.name, pause_s, service.log_tail(1))
            entry.due = now + pause_s
            entry.failures += 1
        if now < entry.due:
            return
        entry.due, entry.started = None, now
        entry.restarts += 1
        try:
            service.spawn()
        except (OSError, ServiceFailed, ConfigError) as error:
            logger.error("process=%s cannot be started: %s", service.name, error)

    async def stop(self, services: Sequence[Service] | None = None) -> None:
        """Ends processes, the last started first; all where none are named."""
        wanted = [entry.service for entry in self.watched] if services is None else list(services)
        self.watched = [entry for entry in self.watched if entry.service not in wanted]
        for service in reversed(wanted):
            await asyncio.to_thread(service.stop)
