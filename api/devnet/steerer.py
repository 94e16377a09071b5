"""Steers anvil by the market clock: mines its blocks at market time, and keeps snapshots that no kill can tear."""

import asyncio
import logging
import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import httpx

from api.devnet.chain import FINALITY_BLOCKS
from indexer.clock import SimulatedClock
from indexer.errors import ConfigError, GridtraceError

logger = logging.getLogger(__name__)

TICK_S = 0.25
HURRIED_TICK_S = 0.05
SNAPSHOT_S = 1.0
# A snapshot holds up mining: at most a tenth of the time goes into it, however long the chain has grown.
SNAPSHOT_SHARE = 10
# But a killed anvil loses the blocks since the last snapshot, and may never lose a final one.
SNAPSHOT_BLOCKS = FINALITY_BLOCKS // 3
REMEMBERED_BLOCKS = 10_000


class ChainCallFailed(GridtraceError):
    """The devnet's chain refuses or does not answer a call."""

    code = "chain-call-failed"
    retryable = True


class ChainControl:
    """The calls of anvil that steer it."""

    def __init__(self, rpc_url: str) -> None:
        self._http = httpx.AsyncClient(base_url=rpc_url, timeout=30.0)

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, *params: object) -> Any:
        """One JSON-RPC call; raises ChainCallFailed."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        try:
            answer = (await self._http.post("", json=body)).json()
        except (httpx.TransportError, ValueError) as error:
            raise ChainCallFailed(f"{method}: {type(error).__name__}: {error}") from error
        if "error" in answer:
            raise ChainCallFailed(f"{method}: {answer['error'].get('message')}")
        return answer.get("result")

    async def latest_time_s(self) -> int:
        """Timestamp of the newest block."""
        return int((await self.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    async def mine(self, time_s: int) -> int:
        """Mines one block with this timestamp; returns its number."""
        blocks = await self.call("evm_mine_detailed", {"timestamp": time_s})
        return int(blocks[0]["number"], 16)

    async def steerable(self) -> bool:
        """Whether it is an anvil, whose time can be set."""
        try:
            await self.call("anvil_nodeInfo")
        except ChainCallFailed:
            return False
        return True

    async def take_over(self) -> None:
        """Stops an anvil from mining by itself."""
        await self.call("evm_setIntervalMining", 0)
        await self.call("evm_setAutomine", False)


async def check_pace(control: ChainControl, clock_rate: float) -> bool:
    """Whether the chain can be steered; raises ConfigError where it cannot and market time is not real time."""
    if await control.steerable():
        return True
    if clock_rate != 1.0:
        fault = f"RPC_URL is not an anvil: its time cannot be set, so a slot takes 900 s (asked: {900 / clock_rate:g})"
        raise ConfigError([fault])
    return False


class Steerer:
    """Mines a block every tick at market time, and notes the real time at which each block was there."""

    def __init__(self, control: ChainControl, clock: SimulatedClock, snapshot: Path | None) -> None:
        self.control = control
        self.clock = clock
        self.snapshot = snapshot
        self.hurried = False
        """Blocks come as fast as they can without running ahead of market time: while the run is set up."""
        self.mined_at: OrderedDict[int, float] = OrderedDict()
        self._last_s = 0
        self._next_snapshot = 0.0
        self._saved_block = 0

    @property
    def tick_s(self) -> float:
        """Real seconds from block to block."""
        return max(HURRIED_TICK_S if self.hurried else TICK_S, 1.0 / self.clock.rate)

    async def run(self) -> None:
        """Until cancelled; survives restarts of anvil."""
        stalled = False
        while True:
            started = time.monotonic()
            try:
                await self.step()
                stalled = False
            except ChainCallFailed as error:
                self._last_s = 0
                if not stalled:
                    logger.warning("mining stalled error=%s", error)
                stalled = True
            await asyncio.sleep(max(0.02, self.tick_s - (time.monotonic() - started)))

    async def step(self) -> None:
        """Mines a block, and takes a snapshot where one is due."""
        number = await self.mine_one()
        # A block number behind the last saved one is that of an anvil that was started again.
        unsaved = abs(number - self._saved_block)
        if time.monotonic() >= self._next_snapshot or unsaved >= SNAPSHOT_BLOCKS:
            taken_s = await self.save()
            self._saved_block = number
            self._next_snapshot = time.monotonic() + max(SNAPSHOT_S, SNAPSHOT_SHARE * taken_s)

    async def mine_one(self) -> int:
        """One block, later than the one before it; returns its number."""
        if self._last_s == 0:
            self._last_s = await self.control.latest_time_s()
        # The block's time must not be ahead of market time by more than the strict order of blocks demands.
        time_s = max(int(self.clock.now_s()), self._last_s + 1)
        number = await self.control.mine(time_s)
        self._last_s = time_s
        self.mined_at[number] = time.time()
        while len(self.mined_at) > REMEMBERED_BLOCKS:
            self.mined_at.popitem(last=False)
        return number

    async def save(self) -> float:
        """Writes the whole chain to the snapshot file, in one step; returns the seconds it took."""
        if self.snapshot is None:
            return 0.0
        started = time.monotonic()
        packed = bytes.fromhex((await self.control.call("anvil_dumpState")).removeprefix("0x"))
        await asyncio.to_thread(replace, self.snapshot, packed)
        return time.monotonic() - started


def replace(path: Path, content: bytes) -> None:
    """Writes a file so that a kill at any moment leaves the old content or the new."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    beside.replace(path)
