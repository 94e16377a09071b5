"""From a block being mined to its rows being visible."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from api.devnet.chain import CHAIN_ID, Anvil
from indexer import db as database
from indexer.cursor import CHANNEL
from indexer.rpc import open_rpc
from scripts.bench.transfers import install, transaction

WARM_UP_BLOCKS: Final = 10
GAS: Final = 16_000_000
LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class HeadResult:
    """Milliseconds from mined to visible."""

    per_block: int
    every_ms: int
    blocks: int
    p50_ms: float
    p99_ms: float
    behind: int
    """Blocks not yet visible when the last one was mined."""


async def head_latency(database_url: str, per_block: int, every_s: float, blocks: int, *, socket: bool) -> HeadResult:
    """Follows a chain that mines ``per_block`` transfers ``every_s`` seconds."""
    with TemporaryDirectory() as folder:
        anvil = Anvil(Path(folder) / "anvil.log", mining=False)
        anvil.start()
        seen: dict[int, float] = {}

        def hear(*notice: Any) -> None:
            seen.setdefault(json.loads(notice[3])["number"], time.perf_counter())

        db = await database.connect(database_url)
        await db.add_listener(CHANNEL, hear)
        url = anvil.url.replace("http://", "ws://") if socket else anvil.url
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "scripts.bench.index_once", "--database", database_url, "--rpc", url,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with open_rpc([anvil.url], CHAIN_ID) as rpc:
                await install(rpc)
                await rpc.call("evm_mine")
                await _until(seen, 1)
                mined: dict[int, float] = {}
                start = time.perf_counter()
                for number in range(blocks + WARM_UP_BLOCKS):
                    first = number * per_block
                    await rpc.batch([transaction(first, first + per_block, number, GAS)])
                    await asyncio.sleep(max(0.0, start + (number + 1) * every_s - time.perf_counter()))
                    await rpc.call("evm_mine")
                    mined[number + 2] = time.perf_counter()
                behind = len(mined.keys() - seen.keys())
                await _until(seen, blocks + WARM_UP_BLOCKS + 1)
        finally:
            process.terminate()
            await process.wait()
            await db.close()
            anvil.stop()
    # A notice may stand for several blocks: what was visible with it is as old as it.
    waits = sorted(
        1_000 * max(0.0, min(at for number, at in seen.items() if number >= block) - done)
        for block, done in mined.items()
        if block > WARM_UP_BLOCKS
    )
    return HeadResult(
        per_block,
        round(1_000 * every_s),
        len(waits),
        round(waits[len(waits) // 2], 1),
        round(waits[min(len(waits) - 1, 99 * len(waits) // 100)], 1),
        behind,
    )


async def _until(seen: dict[int, float], number: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while max(seen, default=0) < number:  # noqa: ASYNC110 -- polled in tests of time only
            await asyncio.sleep(0.005)
