"""The killed process with all that runs beside the mirror: transactions, receipts, coins, traces, executions.

python -m scripts.soak.index_whole --database URL --rpc URL
"""

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvloop

from api.devnet.chain import CHAIN_ID
from indexer import app, sync
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.db import Connection
from indexer.executions import Executions
from indexer.manifest import Manifest, Options
from indexer.metrics import Metrics
from indexer.records import Records
from indexer.rpc import Rpc
from indexer.scope import Scope
from scripts.bench import transfers

BATCH_EVENTS: Final = 400
EVERYTHING: Final = Scope(everything=True)


def manifest() -> Manifest:
    """The token, and everything else that can be kept of the chain."""
    token = transfers.manifest()
    options = Options(
        transactions=EVERYTHING, receipts=EVERYTHING, native_transfers=EVERYTHING, traces=EVERYTHING, block_interval=50
    )
    contracts = tuple(replace(contract, executions=True) for contract in token.contracts)
    return replace(token, contracts=contracts, options=options)


async def follow_up(db: Connection, rpc: Rpc) -> None:
    """Takes everything beside the mirror to where the mirror stands."""
    records, executions = Records(db, rpc, manifest()), Executions(db, rpc, manifest())
    await executions.prepare()
    for step in (records.step, executions.step):
        while await step():
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--rpc", required=True)
    options = parser.parse_args()
    sync.BATCH_EVENTS = BATCH_EVENTS  # type: ignore[misc]
    clock = SimulatedClock(0, 0, 1)
    config = IndexerConfig(options.database, (options.rpc,), CHAIN_ID, Path(), clock, poll_interval_s=0.02)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app.mirror(config, manifest(), Metrics(CHAIN_ID)))


if __name__ == "__main__":
    main()
