"""Kills the indexer at random moments while the chain goes on and forks, and compares what is left with the truth.

    DATABASE_URL=postgresql://… python -m scripts.soak.index_kill --kills 200 [--whole]

With --whole it keeps transactions, receipts, coins, traces and executions, too, which follow the mirror.

The truth is an index of the same chain from scratch, compared table by table.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from api.devnet.chain import CHAIN_ID, Anvil
from indexer import db as database
from indexer import facts
from indexer.chain import RpcChain
from indexer.cursor import SQL as CURSOR_SQL
from indexer.db import Connection
from indexer.rpc import Rpc, open_rpc
from indexer.sync import Advanced, NothingNew, Reorg, Supplemented, Sync
from scripts.bench.index import fresh_database
from scripts.bench.transfers import SENDER, install, manifest, transaction
from scripts.soak import index_whole

PER_TRANSACTION: Final = 20
BATCH_EVENTS: Final = 400
FIRST_BLOCKS: Final = 400
LIMIT_S: Final = 120.0
UNSTEADY: Final = (
    "'indexed_at', 'updated_at', 'added_at', 'reorg_epoch', 'finalized_number', 'safe_number', 'head_number'"
)
"""Columns that tell of the writing, not of the chain."""


@dataclass(frozen=True, slots=True)
class Soaked:
    """What was gone through."""

    kills: int
    reorgs: int
    blocks: int
    events: int


class World:
    """A chain of transfers that grows and forks."""

    def __init__(self, rpc: Rpc, random: Random) -> None:
        self._rpc = rpc
        self._random = random
        self.sent = self.reorgs = 0

    async def grow(self, blocks: int) -> None:
        nonce = int(await self._rpc.call("eth_getTransactionCount", SENDER, "latest"), 16)
        for number in range(blocks):
            first = self.sent * PER_TRANSACTION
            await self._rpc.batch([transaction(first, first + PER_TRANSACTION, nonce + number)])
            await self._rpc.call("evm_mine")
            self.sent += 1

    async def fork(self) -> None:
        """Replaces the last blocks by empty ones."""
        await self._rpc.call("anvil_reorg", self._random.randint(1, 20), [])
        self.reorgs += 1


async def soak(server_url: str, kills: int, seed: int, *, whole: bool = False) -> Soaked:
    """Raises SystemExit with the first table that differs."""
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        anvil = Anvil(Path(folder) / "anvil.log", mining=False)
        anvil.start()
        try:
            async with open_rpc([anvil.url], CHAIN_ID) as rpc, fresh_database(server_url) as url:
                await install(rpc)
                world = World(rpc, random)
                await world.grow(FIRST_BLOCKS)
                for _ in range(kills):
                    await _killed(url, anvil.url, world, random, whole=whole)
                await world.grow(3)
                survived = await _indexed(url, rpc, whole=whole)
                async with fresh_database(server_url) as clean:
                    _compare(survived, await _indexed(clean, rpc, whole=whole))
                head = int(await rpc.call("eth_blockNumber"), 16)
                rows = len(survived["fact_payment_token_transfer"])
                return Soaked(kills, world.reorgs, head, rows)
        finally:
            anvil.stop()


async def _killed(url: str, rpc_url: str, world: World, random: Random, *, whole: bool) -> None:
    """One life of the process, ended by SIGKILL while the chain moves."""
    mirror = ["scripts.bench.index_once", "--batch-events", str(BATCH_EVENTS)]
    program = ["scripts.soak.index_whole"] if whole else mirror
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *program, "--database", url, "--rpc", rpc_url)
    try:
        end = time.monotonic() + random.uniform(0.4, 6.0 if whole else 3.0)
        while time.monotonic() < end:
            await world.grow(random.randint(1, 4))
            if random.random() < 0.15:
                await world.fork()
            await asyncio.sleep(random.uniform(0.0, 0.1))
    finally:
        process.kill()
        await process.wait()


async def _indexed(url: str, rpc: Rpc, *, whole: bool) -> dict[str, list[Any]]:
    """Indexes up to the head in this process; all rows of all tables afterwards."""
    wanted = index_whole.manifest() if whole else manifest()
    db = await database.connect(url)
    try:
        async with asyncio.timeout(LIMIT_S):
            # The server may not have noticed the last kill yet.
            while not await db.fetchval(CURSOR_SQL["lock_chain"], CHAIN_ID):  # noqa: ASYNC110 -- of another process
                await asyncio.sleep(0.05)
            async with db.transaction():
                await facts.ensure(db, wanted)
            sync = Sync(db, RpcChain(rpc), wanted)
            while isinstance(await sync.step(), Advanced | Reorg | Supplemented):
                pass
            outcome = await sync.step()
        if not isinstance(outcome, NothingNew):
            raise SystemExit(f"not at the head: {outcome}")
        if whole:
            followed = await db.fetchval("select count(*) from blockchain.transactions")
            print(f"transactions kept before the last pass: {followed}")
            await index_whole.follow_up(db, rpc)
        return await dump(db)
    finally:
        await db.close()


async def dump(db: Connection) -> dict[str, list[Any]]:
    """Every row of the schema in order, without what tells of the writing."""
    # Which code made the state is written by the process alone.
    tables = await db.fetch(
        "select tablename from pg_tables"
        " where schemaname = 'blockchain' and tablename <> 'projection_versions' order by 1"
    )
    state: dict[str, list[Any]] = {}
    for (table,) in tables:
        rows = f'select (to_jsonb(t) - array[{UNSTEADY}])::text from blockchain."{table}" t order by 1'
        state[table] = [row[0] for row in await db.fetch(rows)]
    return state


def _compare(survived: dict[str, list[Any]], afresh: dict[str, list[Any]]) -> None:
    for table, rows in afresh.items():
        if survived[table] != rows:
            strange = [row for row in survived[table] if row not in set(rows)][:3]
            raise SystemExit(f"{table} differs: {len(survived[table])} rows, not {len(rows)}; for example {strange}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="with all that follows the mirror")
    options = parser.parse_args()
    if not (server_url := os.environ.get("DATABASE_URL")):
        raise SystemExit("DATABASE_URL must name a PostgreSQL server on which databases may be created")
    print(asyncio.run(soak(server_url, options.kills, options.seed, whole=options.whole)))


if __name__ == "__main__":
    main()
