"""Several chains in one process and one database: each is mirrored by itself, and fails by itself."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from indexer import app
from indexer.config import IndexerConfig
from indexer.errors import GridtraceError
from indexer.manifest import Manifest
from indexer.metrics import Metrics
from indexer.telemetry import Telemetry

logger = logging.getLogger(__name__)

RETRY_FIRST_S: Final = 1.0
RETRY_MAX_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class ChainToIndex:
    """One chain with everything that indexing it needs."""

    config: IndexerConfig
    manifest: Manifest


async def run(chains: Sequence[ChainToIndex]) -> None:
    """Mirrors all chains until cancelled. Of several, one that cannot be mirrored is tried again by itself.

    Raises:
        GridtraceError: the only chain cannot be mirrored.
    """
    telemetry = Telemetry()
    async with telemetry.serving(chains[0].config.metrics_port), asyncio.TaskGroup() as group:
        for chain in chains:
            metrics = telemetry.chain(chain.manifest.chain_id)
            group.create_task(
                _kept(chain, metrics) if len(chains) > 1 else app.mirror(chain.config, chain.manifest, metrics)
            )


async def _kept(chain: ChainToIndex, metrics: Metrics) -> None:
    """Mirrors a chain, and again after any fault, so that the others go on."""
    pause_s = RETRY_FIRST_S
    while True:
        start = time.monotonic()
        try:
            await app.mirror(chain.config, chain.manifest, metrics)
        except Exception as error:
            code = error.code if isinstance(error, GridtraceError) else type(error).__name__
            metrics.fault("failed")
            metrics.wait("failed", f"{code}: {error}")
            logger.exception("chain=%d failed code=%s retry_in_s=%.0f", chain.manifest.chain_id, code, pause_s)
        if time.monotonic() - start > RETRY_MAX_S:
            pause_s = RETRY_FIRST_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, RETRY_MAX_S)
