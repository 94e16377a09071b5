"""The node and the indexer of a soak as processes of their own, and the market's clock that they share."""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from indexer import app as indexing
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from node import app
from node.config import NodeConfig
from scripts.soak.dying import FORK


@dataclass(frozen=True, slots=True)
class ToldClock(SimulatedClock):
    """Market time as it stands in a file: whoever runs the soak moves it."""

    path: Path = Path()

    def at(self, real_s: float) -> float:
        return float(self.path.read_text())

    def move(self, market_s: float) -> None:
        """Market time is this from now on, for every process."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(str(market_s))
        fresh.replace(self.path)


def run_node(config: NodeConfig, log: Path) -> None:
    """Everything of a node, until it is killed."""
    _log_to(log)
    asyncio.run(app.run(config))


def run_indexer(config: IndexerConfig, log: Path) -> None:
    """The mirror, until it is killed."""
    _log_to(log)
    asyncio.run(indexing.run(config))


def _log_to(log: Path) -> None:
    logging.basicConfig(
        filename=log, level=logging.INFO, format=f"%(asctime)s {os.getpid()} %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)


class Life:
    """A process that is killed and started again."""

    def __init__(self, start: Callable[[], BaseProcess]) -> None:
        self._start = start
        self._process: BaseProcess | None = None

    def begin(self) -> None:
        self._process = self._start()

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    @property
    def ended(self) -> int | None:
        """Its exit code where it has ended by itself."""
        return None if self._process is None else self._process.exitcode


def node(config: NodeConfig, log: Path) -> Life:
    return Life(lambda: _started(run_node, config, log))


def indexer(config: IndexerConfig, log: Path) -> Life:
    return Life(lambda: _started(run_indexer, config, log))


def _started(work: Callable[..., None], *arguments: object) -> BaseProcess:
    process = FORK.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process
