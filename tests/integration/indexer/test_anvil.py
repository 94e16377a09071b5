"""The indexer process against anvil and PostgreSQL: follows, survives, and ends with the same rows."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from contracts.abi import CONTRACTS
from contracts.addresses import Deployment
from contracts.settlement_batch import MANDATE_LANE, BookFills, MandateFill, encode_batch, encode_mandates
from contracts.typed_data import TradingMandate
from indexer import app, facts, read
from indexer import db as database
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.cursor import CHANNEL
from indexer.db import Connection
from indexer.errors import WrongChain
from indexer.rpc import Rpc, open_rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter

pytestmark = pytest.mark.integration

ALICE, BOB = bytes.fromhex("aa" * 20), bytes.fromhex("bb" * 20)
LIMIT_S = 20.0
SCRIPT = """
import asyncio, os
from indexer.app import run
from indexer.config import IndexerConfig
asyncio.run(run(IndexerConfig.from_environment(os.environ)))
"""


def configuration(database_url: str, rpc_url: str, folder: Path) -> IndexerConfig:
    path = folder / "deployment.json"
    if not path.exists():
        Deployment(31337, 1, {name: bytes([n]) * 20 for n, name in enumerate(CONTRACTS, 1)}).dump(path)
    return IndexerConfig(database_url, (rpc_url,), 31337, path, SimulatedClock(), 0.05)


class World:
    """The chain, its contracts and the mirror."""

    def __init__(self, rpc: Rpc, config: IndexerConfig, db: Connection) -> None:
        self.rpc, self.config, self.db = rpc, config, db
        self.manifest = app.load_manifest(config)
        self.events = {e.table[5:]: (c.address, e) for c in self.manifest.contracts for e in c.events}

    async def emit(self, name: str, **values: Any) -> None:
        address, event = self.events[name]
        await emitter.send(self.rpc, address, emitter.calldata(event, values))

    async def deposit(self, account: bytes, cash: int) -> None:
        await self.emit("settlement_exchange_deposited", account="0x" + account.hex(), cash=cash, energy_wh=1)

    async def mirrored(self) -> read.Head:
        """Waits until the mirror stands at the chain's head."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                block = await self.rpc.call("eth_getBlockByNumber", "latest", False)
                head = await read.head(self.db, 31337)
                if head and head.hash.hex() == block["hash"][2:]:
                    return head
                await asyncio.sleep(0.01)

    async def moved_beyond(self, before: read.Head | None) -> read.Head | None:
        """Makes a block and waits until the mirror has moved; returns where to."""
        await emitter.mine(self.rpc)
        async with asyncio.timeout(LIMIT_S):
            while (head := await read.head(self.db, 31337)) == before:
                await asyncio.sleep(0.01)
        return head

    async def cash(self, account: bytes) -> int:
        return (await read.balance(self.db, 31337, account)).cash


@pytest.fixture
async def world(database_url: str, anvil: AnvilChain, tmp_path: Path) -> AsyncIterator[World]:
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], 31337) as rpc:
        world = World(rpc, configuration(database_url, anvil.url, tmp_path), db)
        await emitter.install(rpc, world.manifest.addresses)
        yield world
    await db.close()


@asynccontextmanager
async def indexing(config: IndexerConfig) -> AsyncIterator[None]:
    task = asyncio.create_task(app.run(config))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_run__settled_batch__is_mirrored_and_balanced(world: World) -> None:
    buyer = ALICE + b"\x00" + bytes.fromhex("0000000100030000000000070000000001f4")
    seller = BOB + b"\x01" + bytes.fromhex("0000000100000000000000090000000001f4")
    entries = b"".join(
        side + money.to_bytes(8, "big", signed=True) + (400).to_bytes(6, "big")
        for side, money in ((buyer, 300), (seller, -20))
    )
    charge = ALICE + (-5).to_bytes(8, "big", signed=True)
    slot = {"sequence": 0, "delivery_start": 1_750_000_500, "version": 0}
    async with indexing(world.config):
        await world.deposit(ALICE, 1_000)
        await world.emit("settlement_exchange_orders_settled", **slot, fee=10, entries=entries)
        await world.emit("settlement_exchange_imbalance_settled", **slot, entries=charge)
        await world.emit("settlement_exchange_nonce_raised", account="0x" + ALICE.hex(), min_nonce=2**48 - 1)
        request = {"account": "0x" + ALICE.hex(), "cash": 50, "energy_wh": 0}
        await world.emit("settlement_exchange_withdrawal_requested", **request, ready_at=1_750_000_900)
        await world.mirrored()
        alice = await read.balance(world.db, 31337, ALICE)
        bob = await read.balance(world.db, 31337, BOB)
        orders = await read.settled_orders(world.db, 31337, 1_750_000_500)
        batch = await read.settled_batch(world.db, 31337, 0)
        assert (alice.cash, alice.energy_wh, alice.nonce, alice.pending_cash) == (695, 401, 2**48 - 1, 50)
        assert (bob.cash, bob.energy_wh) == (-20, -400)
        assert [(o.trader, o.side, o.lane, o.nonce, o.fill_wh, o.money, o.delivered_wh) for o in orders] == [
            (ALICE, 0, 3, 7, 500, 300, 400),
            (BOB, 1, 0, 9, 500, -20, 400),
        ]
        assert batch is not None
        assert (batch.fee, batch.version, batch.final) == (10, 0, False)
        assert await read.fees(world.db, 31337) == 10
        assert await read.next_sequence(world.db, 31337) == 1


async def test_run__mandates_filled__are_mirrored_as_orders_of_their_accounts(world: World) -> None:
    terms = {"zone": 3, "max_buy_price_per_kwh": 1, "min_sell_price_per_kwh": 1, "max_wh_per_slot": 1_000}
    book = encode_mandates(
        TradingMandate(account=account, **terms, valid_from=0, expiry=2**32 - 1, nonce=2**48 - index)
        for index, account in ((1, ALICE), (2, BOB))
    )
    sold, bought = MandateFill(1, 1, 500, -20, 400), MandateFill(0, 0, 2**31 - 1, 300, 400)
    slot = {"sequence": 0, "delivery_start": 1_750_000_500, "version": 0}
    async with indexing(world.config):
        await world.emit("settlement_exchange_mandates_registered", book=1, mandates=book[54:] + book[:54])
        await world.emit("settlement_exchange_mandates_registered", book=2, mandates=book)
        fills = encode_batch(0, 0, 0, [], [], [BookFills(2, (sold, bought))])[32:]
        await world.emit("settlement_exchange_mandates_settled", **slot, book=2, fills=fills)
        await world.emit("settlement_exchange_orders_settled", **slot, fee=10, entries=b"")
        await world.mirrored()
        alice, bob = [await read.balance(world.db, 31337, account) for account in (ALICE, BOB)]
        orders = await read.settled_orders(world.db, 31337, 1_750_000_500)
    assert (alice.cash, alice.energy_wh, bob.cash, bob.energy_wh) == (-300, 400, -20, -400)
    found = [(o.trader, o.side, o.zone, o.lane, o.nonce, o.fill_wh, o.money, o.delivered_wh) for o in orders]
    assert found == [
        (BOB, 1, 3, MANDATE_LANE, 2**48 - 2, 500, -20, 400),
        (ALICE, 0, 3, MANDATE_LANE, 2**48 - 1, 2**31 - 1, 300, 400),
    ]


async def test_run__new_block__is_told_to_listeners(world: World) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(*notice: Any) -> None:
        heard.put_nowait(notice[3])

    await world.db.add_listener(CHANNEL, hear)
    async with indexing(world.config):
        await world.deposit(ALICE, 1)
        head = await world.mirrored()
        async with asyncio.timeout(LIMIT_S):
            message = await heard.get()
        expected = {"chain_id": 31337, "number": 1, "hash": "0x" + head.hash.hex(), "timestamp": head.time}
        assert {**expected, "events": 1, "reorg_from": None, "epoch": 0} == json.loads(message)
    await world.db.remove_listener(CHANNEL, hear)


async def test_run__reorg_and_rollback__take_the_orphans_out(world: World) -> None:
    async with indexing(world.config):
        for _ in range(8):
            await world.deposit(ALICE, 100)
        await world.mirrored()
        assert await world.cash(ALICE) == 800
        await world.rpc.call("anvil_reorg", 3, [])
        head = await world.mirrored()
        assert (await world.cash(ALICE), head.reorg_epoch, head.events_indexed) == (500, 1, 5)
        await world.rpc.call("anvil_rollback", 5)
        await world.deposit(BOB, 7)
        head = await world.mirrored()
        assert (await world.cash(ALICE), await world.cash(BOB), head.events_indexed) == (300, 7, 4)


async def test_run__kill_at_any_moment__resumes_exactly(world: World) -> None:
    variables = {
        **os.environ,
        "DATABASE_URL": world.config.database_url,
        "RPC_URL": world.config.rpc_urls[0],
        "GRIDTRACE_CHAIN_ID": "31337",
        "GRIDTRACE_DEPLOYMENT": str(world.config.deployment),
    }
    sent, head = 0, None
    for more in (20, 35, 50):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT], env=variables)  # noqa: ASYNC220
        try:
            head = await world.moved_beyond(head)
            for _ in range(more):
                await world.deposit(ALICE, 1)
                sent += 1
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    async with indexing(world.config):
        end = await world.mirrored()
    facts = await world.db.fetchval("select count(*) from blockchain.fact_settlement_exchange_deposited")
    assert await world.cash(ALICE) == sent == facts == end.events_indexed


async def test_run__database_connection_lost__goes_on(world: World) -> None:
    async with indexing(world.config):
        await world.deposit(ALICE, 1)
        await world.mirrored()
        ended = await world.db.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await world.deposit(ALICE, 1)
        await world.mirrored()
        assert ended >= 1
        assert await world.cash(ALICE) == 2


async def test_run__second_instance__stands_by_and_takes_over(world: World) -> None:
    async with indexing(world.config):
        async with indexing(world.config):
            await world.deposit(ALICE, 1)
            await world.mirrored()
            holders = (
                "select count(distinct pid) from pg_locks where locktype = 'advisory' and granted"
                " and database = (select oid from pg_database where datname = current_database())"
                " and ((classid::bigint << 32) | objid::bigint) = hashtextextended('gridtrace.indexer', 31337)"
            )
            assert await world.db.fetchval(holders) == 1
        await world.deposit(ALICE, 1)
        await world.mirrored()
    assert await world.cash(ALICE) == 2


async def test_run__undecodable_log__is_kept_whole(world: World) -> None:
    token = next(c.address for c in world.manifest.contracts if c.name == "PaymentToken")
    async with indexing(world.config):
        await emitter.send(world.rpc, token, emitter.raw_calldata([b"\x99" * 32, b"\x01" * 32], b"\x02\x03"))
        await world.mirrored()
        row = await world.db.fetchrow("select address, topics, data, reason from blockchain.undecoded_logs")
        assert row is not None
        assert row["topics"] == [b"\x99" * 32, b"\x01" * 32]
        assert (row["address"], row["data"]) == (token, b"\x02\x03")


async def test_run__long_history__is_read_in_ranges(world: World) -> None:
    for _ in range(30):
        await world.deposit(BOB, 3)
    await emitter.mine(world.rpc, 700)
    await world.deposit(BOB, 3)
    async with indexing(world.config):
        head = await world.mirrored()
        assert (head.number, await world.cash(BOB)) == (731, 93)
        assert await world.db.fetchval("select count(*) from blockchain.blocks") == 731
        assert head.finalized > 600


async def test_run__endpoint_of_another_chain__ends_with_its_name(world: World, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    Deployment(1, 1, {}).dump(path)
    config = IndexerConfig(world.config.database_url, world.config.rpc_urls, 1, path, SimulatedClock(), 1.0)
    with pytest.raises(WrongChain):
        async with asyncio.timeout(LIMIT_S):
            await app.run(config)


async def test_ensure__repeated__changes_nothing(world: World, database_url: str) -> None:
    db = await database.connect(database_url)

    async def relations() -> set[int]:
        await facts.ensure(db, world.manifest)
        await facts.index_keys(db, world.manifest)
        rows = await db.fetch("select oid from pg_class where relnamespace = 'blockchain'::regnamespace")
        return {row["oid"] for row in rows}

    try:
        assert await relations() == await relations()
    finally:
        await db.close()
