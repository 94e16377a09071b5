"""The measured process: indexes up to a block, or follows the head until it is stopped.

    python -m scripts.bench.index_once --database URL --rpc URL [--until BLOCK] [--cache FOLDER]

Prints one JSON line when the block is reached.
"""

import time

STARTED_S = time.monotonic()

import argparse  # noqa: E402
import asyncio  # noqa: E402
import json  # noqa: E402
import resource  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import uvloop  # noqa: E402

from indexer import app, facts, sync  # noqa: E402
from indexer.chain import Chain, RpcChain  # noqa: E402
from indexer.db import connect  # noqa: E402
from indexer.heads import Heads  # noqa: E402
from indexer.manifest import Manifest  # noqa: E402
from indexer.metrics import Metrics  # noqa: E402
from indexer.rpc import Rpc, open_rpc  # noqa: E402
from indexer.sync import Sync  # noqa: E402
from scripts.bench.transfers import manifest  # noqa: E402


async def once(url: str, chain: Chain, to_index: Manifest, until: int) -> None:
    """Indexes up to a block."""
    imported_s = time.monotonic() - STARTED_S
    db = await connect(url, command_timeout_s=app.COMMAND_TIMEOUT_S)
    async with db.transaction():
        await facts.ensure(db, to_index)
    mirror = Sync(db, chain, to_index)
    while mirror.cursor is None or mirror.cursor.number < until:
        await mirror.step()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "imports_s": round(imported_s, 3),
                "cpu_s": round(used.ru_utime + used.ru_stime, 2),
                "peak_mb": round(peak_kb() / 1024, 1),
            }
        ),
        flush=True,
    )


def peak_kb() -> int:
    """The most memory that this process had; rusage would count that of the one that started it, too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


async def measured(options: Any) -> None:
    async with open_rpc([options.rpc], manifest().chain_id) as rpc:
        if options.until is None:
            heads = Heads(rpc.session, options.rpc, options.poll)
            listener = asyncio.create_task(heads.run())
            await app.keep(options.database, RpcChain(rpc), manifest(), heads, Metrics(manifest().chain_id))
            listener.cancel()
        else:
            await once(options.database, _chain(rpc, options.cache), manifest(), options.until)


def _chain(rpc: Rpc, cache: Path | None) -> Chain:
    if cache is None:
        return RpcChain(rpc)
    from indexer.cache import Cache, CachedChain

    return CachedChain(RpcChain(rpc), Cache(cache, 1 << 40), manifest().chain_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--rpc", required=True)
    parser.add_argument("--until", type=int)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--batch-events", type=int, default=sync.BATCH_EVENTS)
    parser.add_argument("--poll", type=float, default=0.02)
    options = parser.parse_args()
    sync.BATCH_EVENTS = options.batch_events  # type: ignore[misc]
    uvloop.run(measured(options))


if __name__ == "__main__":
    main()
