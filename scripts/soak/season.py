"""A season of slots on real contracts, in the middle of which everything fails that can.

The node and the indexer are the product's own, in processes of their own; market time moves when the slots before are
nearly done, and never waits for a fault to be over.
"""

import asyncio
import shutil
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import asyncpg

from api.devnet.broker import BrokerServer
from api.devnet.chain import Anvil
from api.devnet.postgres import PostgresServer
from api.devnet.process import Service
from api.devnet.redis import RedisServer
from contracts.typed_data import Mandate, checksum, mandate_digest, sign
from indexer import migrate
from indexer.db import Pool, open_pool, transaction
from indexer.errors import RpcUnavailable
from node import participants
from node.config import NodeConfig
from node.deploy import Parameters, deploy
from node.metering.spool import DATABASE_AWAY
from node.outbox import HttpRpc, RpcError
from node.participants import Permit, permit_digest_of
from scripts.soak import processes, season_meters
from scripts.soak.processes import ToldClock
from scripts.soak.relay import Relay
from scripts.soak.season_judge import judge
from scripts.soak.season_meters import Meters
from scripts.soak.table import Row
from tests.integration.node.settlement.onchain import DEPLOYER, GRID_NUMBER, OPERATOR, Node, mirrored
from tests.integration.node.settlement.test_chain import LATE as NO_DEADLINE
from tests.integration.node.settlement.test_chain import announce
from tests.integration.node.settlement.village import (
    BUY,
    BYSTANDER,
    CHAIN_ID,
    FAR,
    FLOWS,
    GRID,
    HOME,
    NEIGHBOUR,
    PLANT,
    RULES,
    SELL,
    SLOT,
    SLOT_S,
    account_of,
    key_of,
    offer,
)

CASH: Final = 10**12
MOST_OPEN: Final = 3
"""Slots that may be under way when the next one ends."""
STUCK_S: Final = 240.0
BLOCK_S: Final = 0.4
SETTLING_S: Final = 0.1
WATCH_S: Final = 0.1
REPEAT_S: Final = 4.0


class Stuck(Exception):
    """Slots do not settle any more."""


class Season:
    """One market and its servers, in a folder."""

    def __init__(self, folder: Path, seed: int, told: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.random, self._told = folder, Random(seed), told
        self.postgres = PostgresServer(folder / "postgres", folder / "postgres.log")
        self.redis = RedisServer(folder / "redis", folder / "redis.log")
        self.broker = BrokerServer(folder / "broker.log")
        self.anvil = Anvil(folder / "anvil.log")
        self._mining = asyncio.Lock()
        self.clock = ToldClock(path=folder / "clock", rate=1_000.0)
        self.times: Counter[str] = Counter()
        self.faults_of: dict[int, list[str]] = defaultdict(list)

    async def run(self, slots: int, limit_s: float | None = None) -> list[Row]:
        """Up to ``slots`` slots, or as many as end in ``limit_s`` seconds; what came of each fault.

        Raises:
            Stuck: slots do not settle.
        """
        servers: list[Service] = [self.postgres, self.redis, self.broker, self.anvil]
        for server in servers:
            server.start()
        try:
            return await self._run(slots, limit_s)
        finally:
            for server in reversed(servers):
                server.stop()

    async def _run(self, slots: int, limit_s: float | None) -> list[Row]:
        url = await self.postgres.ensure("season")
        await asyncio.to_thread(migrate.upgrade, url)
        self.relay = Relay(self.anvil.url)
        await self.relay.start()
        self.meters = Meters(self.broker.url, self.random)
        self.clock.move(SLOT - 2 * SLOT_S)
        async with open_pool(url, size=4) as pool, self._market(pool, url) as market, self._blocks():
            await self._found(market)
            done = await self._play(market, slots, limit_s)
            await self._rest(market, done)
            return await judge(market, self.meters, done, self.times, self.faults_of, CASH * (len(FLOWS) + 1))

    @asynccontextmanager
    async def _market(self, pool: Pool, url: str) -> AsyncIterator[Node]:
        control = HttpRpc([self.anvil.url])
        self.control = control
        for number in (DEPLOYER, OPERATOR):
            await control.call("anvil_setBalance", "0x" + account_of(number).hex(), hex(10**24))
        path = self.folder / "deployment.json"
        parameters = Parameters.of_devnet(correction_window_s=10 * 365 * 86_400)
        deployment = await deploy(
            self.anvil.url, CHAIN_ID, key_of(DEPLOYER), account_of(OPERATOR), path, parameters=parameters
        )
        config = self._config(url, path)
        self.node = processes.node(config, self.folder / "node.log")
        self.indexer = processes.indexer(config.indexer, self.folder / "indexer.log")
        self.indexer.begin()
        self.node.begin()
        market = Node(pool, deployment, control)
        market.ctx = replace(market.ctx, rules=config.market, salt_secret=config.readings_salt_file.read_bytes())
        try:
            yield market
        finally:
            self.node.kill()
            self.indexer.kill()
            await self.relay.stop()
            await control.close()

    def _config(self, url: str, deployment: Path) -> NodeConfig:
        def key_file(name: str, content: bytes) -> str:
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_bytes(content)
            return str(path)

        variables = {
            "DATABASE_URL": url,
            "RPC_URL": self.relay.url,
            "REDIS_URL": self.redis.url,
            "MQTT_URL": self.broker.url,
            "GRIDTRACE_CHAIN_ID": str(CHAIN_ID),
            "GRIDTRACE_DEPLOYMENT": str(deployment),
            "GRIDTRACE_POLL_INTERVAL_S": "0.1",
            "GRIDTRACE_RECONCILE_S": "0",
            "GRIDTRACE_OPERATOR": checksum(account_of(OPERATOR)),
            "GRIDTRACE_GRID_ACCOUNT": checksum(GRID),
            "GRIDTRACE_OPERATOR_KEY_FILE": key_file("operator", key_of(OPERATOR).hex().encode()),
            "GRIDTRACE_GATEWAY_KEY_FILE": key_file("gateway", key_of(DEPLOYER + 7).hex().encode()),
            "GRIDTRACE_READINGS_SALT_FILE": key_file("salt", b"pepper" * 6),
            "GRIDTRACE_METER_BUFFER": str(self.folder / "buffer"),
        }
        config = NodeConfig.from_environment(variables)
        return replace(config, market=RULES, indexer=replace(config.indexer, clock=self.clock))

    @asynccontextmanager
    async def _blocks(self) -> AsyncIterator[None]:
        """The chain goes on by itself, so that what is done becomes final."""

        async def mine() -> None:
            while True:
                with suppress(RpcUnavailable, RpcError):
                    async with self._mining:
                        await self.control.call("evm_mine")
                await asyncio.sleep(BLOCK_S)

        mining = asyncio.create_task(mine())
        try:
            yield
        finally:
            mining.cancel()

    async def _found(self, market: Node) -> None:
        until = datetime.fromtimestamp(FAR, UTC)
        async with transaction(market.pool) as db:
            for number in (*FLOWS, GRID_NUMBER):
                account = account_of(number)
                await participants.register(
                    db,
                    market.chain,
                    account=account,
                    kyc_until=until,
                    country=276,
                    roles=["producer", "consumer"],
                    request_id="1",
                )
                await participants.faucet(db, market.chain, account=account, amount=CASH, request_id="1")
                permit = Permit(account, CASH, 0, NO_DEADLINE, b"")
                signature = sign(permit_digest_of(market.chain, permit), key_of(number))
                await participants.deposit(db, market.chain, replace(permit, signature=signature))
                if number != BYSTANDER:
                    mandate = Mandate(account, CASH, CASH, FAR, 1)
                    signature = sign(mandate_digest(market.domain, mandate), key_of(number))
                    await participants.set_mandate(db, market.chain, mandate, signature)
            for number in FLOWS:
                await announce(db, market, number)
        await mirrored(market)

    async def _play(self, market: Node, slots: int, limit_s: float | None) -> list[int]:
        """The slots that were played."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await self._trade(market, SLOT)
        await self.meters.begin()
        played: list[int] = []
        while len(played) < slots and (limit_s is None or loop.time() - began_s < limit_s):
            slot = SLOT + SLOT_S * len(played)
            await self._slot(market, slot)
            played.append(slot)
            if len(played) % 25 == 0:
                self._told(f"slots: {len(played)} played, {sum(self.times.values())} faults")
        return played

    async def _slot(self, market: Node, slot: int) -> None:
        breaking: asyncio.Task[None] | None = None
        if self.random.random() < 0.75:
            name, make = self.random.choice(sorted(self._faults().items()))
            self._count(slot, name)
            breaking = asyncio.create_task(self._later(make))
        fault = self.random.choice(season_meters.FAULTS) if self.random.random() < 0.5 else None
        if fault is not None:
            self._count(slot, fault)
        await self._trade(market, slot + SLOT_S)
        await asyncio.sleep(self.random.random() * 0.3)
        await self.meters.say(slot, fault)
        self.clock.move(slot + SLOT_S + 1)
        if breaking is not None:
            await breaking
        await self._until_open(market, slot, MOST_OPEN)

    async def _trade(self, market: Node, slot: int) -> None:
        """The slot's orders, and then its gate."""
        gate_s = slot - RULES.gate_lead_s
        self.clock.move(gate_s - 100)
        await self._offers(market, slot)
        self.clock.move(gate_s + 1)

    def _count(self, slot: int, name: str) -> None:
        self.times[name] += 1
        self.faults_of[slot].append(name)

    async def _offers(self, market: Node, slot: int) -> None:
        sold_wh = self.random.randint(1_000, 2_600)
        bought_wh = self.random.randint(200, 1_500)
        orders = (
            (PLANT, SELL, sold_wh, 100_000),
            (HOME, BUY, bought_wh, 250_000),
            (NEIGHBOUR, BUY, self.random.randint(100, 1_200), 240_000),
        )
        while True:
            try:  # the same order again finds the first
                async with transaction(market.pool) as db:
                    for number, side, energy_wh, limit in orders:
                        await offer(db, number, side, energy_wh, limit, slot, market.domain)
                return
            except DATABASE_AWAY:
                await asyncio.sleep(0.2)

    def _faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "node killed": lambda: self._killed(self.node),
            "indexer killed": lambda: self._killed(self.indexer),
            "PostgreSQL stopped and started": lambda: self._stopped(self.postgres),
            "PostgreSQL killed and started": self._postgres_killed,
            "Redis stopped and started": lambda: self._stopped(self.redis),
            "MQTT broker stopped and started": lambda: self._stopped(self.broker),
            "RPC closed and opened": self._rpc_closed,
            "RPC silent": self._rpc_silent,
            "blocks reorganised": self._reorganised,
        }

    async def _later(self, make: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(self.random.random() * 1.5)
        await make()

    async def _killed(self, life: processes.Life) -> None:
        life.kill()
        await asyncio.sleep(self.random.random())
        life.begin()

    async def _stopped(self, server: Service) -> None:
        server.stop()
        await asyncio.sleep(self.random.random())
        server.start()

    async def _postgres_killed(self) -> None:
        process = self.postgres.process
        if process is not None:
            process.kill()
            process.wait(10)
        await asyncio.sleep(self.random.random())
        self.postgres.start()

    async def _rpc_closed(self) -> None:
        await self.relay.stop()
        await asyncio.sleep(self.random.uniform(0.3, 3.0))
        await self.relay.start()

    async def _rpc_silent(self) -> None:
        process = self.anvil.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(0.3, 7.0))
        process.send_signal(signal.SIGCONT)

    async def _reorganised(self) -> None:
        """Another branch, longer than the blocks that are gone. ``anvil_reorg`` may lose the contracts with them."""
        with suppress(RpcUnavailable, RpcError):
            async with self._standing_still():
                before, number = await self.control.call("evm_snapshot"), await self._head()
            await asyncio.sleep(self.random.uniform(0.3, 4.0))
            async with self._standing_still():
                gone = await self._head() - number
                await self.control.call("evm_revert", before)
                await self.control.call("anvil_mine", hex(gone + 1))

    @asynccontextmanager
    async def _standing_still(self) -> AsyncIterator[None]:
        """Nothing is mined within: anvil that mines while it goes back keeps what a block did whose logs are gone."""
        async with self._mining:
            await self.control.call("evm_setAutomine", False)
            try:
                await asyncio.sleep(SETTLING_S)
                yield
            finally:
                await self.control.call("evm_setAutomine", True)

    async def _head(self) -> int:
        return int(await self.control.call("eth_blockNumber"), 16)

    async def _until_open(self, market: Node, slot: int, most: int) -> None:
        """Returns once no more than ``most`` slots up to this one are under way."""
        loop = asyncio.get_running_loop()
        until_s, repeat_s = loop.time() + STUCK_S, loop.time() + REPEAT_S
        open_ = -1
        while loop.time() < until_s:
            with suppress(asyncpg.PostgresError, *DATABASE_AWAY):
                ended = await market.pool.fetchval(
                    "select count(distinct delivery_start) from trading.settlements"
                    " where state in ('settled', 'failed') and delivery_start <= to_timestamp($1::bigint)",
                    slot,
                )
                open_ = (slot - SLOT) // SLOT_S + 1 - ended
                if open_ <= most:
                    return
                if loop.time() > repeat_s:
                    await self.meters.repeat(market.pool)
                    repeat_s = loop.time() + REPEAT_S
            self._check_alive()
            await asyncio.sleep(WATCH_S)
        kept = self.folder.with_name(f"stuck-{slot}")
        shutil.copytree(self.folder, kept, ignore=shutil.ignore_patterns("postgres", "redis"), dirs_exist_ok=True)
        raise Stuck(f"{open_} slots up to {slot} are under way; logs in {kept}")

    def _check_alive(self) -> None:
        for name, life in (("node", self.node), ("indexer", self.indexer)):
            if life.ended is not None and life.ended != -signal.SIGKILL:
                raise Stuck(f"the {name} ended by itself: exit code {life.ended}")

    async def _rest(self, market: Node, played: list[int]) -> None:
        """No more faults: everything comes to its end."""
        await self.meters.say_the_rest()
        await self._until_open(market, played[-1], 0)
        loop = asyncio.get_running_loop()
        until_s, repeat_s = loop.time() + STUCK_S, loop.time()
        while loop.time() < until_s:
            if loop.time() >= repeat_s:
                missing = await self.meters.repeat(market.pool)
                repeat_s = loop.time() + REPEAT_S
            open_ = await market.pool.fetchval(
                "select (select count(*) from trading.settlements where state not in ('settled', 'failed'))"
                " + (select count(*) from wallet.outbox where state not in ('mined', 'final', 'failed'))"
            )
            if not missing and not open_:
                return
            await asyncio.sleep(WATCH_S)
