"""The node's jobs: what they wait for, and that one bad slot does not stop the others."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.addresses import Deployment
from indexer.db import Connection, Pool, open_pool
from node import app
from node.app import Node
from node.audit import service as audit
from node.errors import Conflict
from node.market import clearing, day_ahead
from node.market.area import Area, alone
from node.market.matching import Matcher
from node.metering.collector import Watch
from node.participants import ChainContext
from node.settlement import service as settlement
from node.settlement.context import NotReady
from tests.integration.node.market.community import BUY, CHAIN_ID, GATE, RULES, SELL, SLOT, ZONE, accept, enrol

pytestmark = pytest.mark.integration


class FakeClock:
    """Stands still."""

    rate = 1.0

    def __init__(self, now_s: float) -> None:
        self.at_s = now_s

    def now_s(self) -> float:
        return self.at_s


class FakeBus:
    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        self.told.append((channel, message["delivery_start"]))


class FakeConfig:
    market = RULES
    zones = (ZONE,)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=3) as pool:
        yield pool


def node_of(config: Any, pool: Pool, bus: FakeBus, clock: Any, areas: tuple[Area, ...], chain: Any) -> Node:
    """A node that sends nothing and settles nothing."""
    unused: Any = None
    return Node(
        config=config,
        pool=pool,
        bus=bus,
        clock=clock,
        chain=chain,
        settlement=unused,
        signer=unused,
        rpc=unused,
        cache=unused,
        areas=areas,
        matcher=Matcher(config.market, areas),
    )


@pytest.fixture
def node(pool: Pool) -> Node:
    chain = ChainContext(CHAIN_ID, Deployment(CHAIN_ID, 0, {}), b"\x01" * 20)
    config: Any = FakeConfig()
    clock: Any = FakeClock(GATE + 1_000)
    areas = (alone(ZONE, RULES.grid_fee_per_kwh),)
    return node_of(config, pool, FakeBus(), clock, areas, chain)


async def mirror(db: Connection, state: str = "running") -> None:
    """A block of the chain is indexed."""
    await db.execute(
        "insert into blockchain.cursors (chain_id, block_number, block_hash, state) values ($1, 1, '\\x00', $2)"
        " on conflict (chain_id, stream) do update set state = excluded.state",
        CHAIN_ID,
        state,
    )


async def cleared(pool: Pool) -> list[int]:
    rows = await pool.fetch(
        "select extract(epoch from delivery_start)::bigint as start from trading.auctions order by start"
    )
    return [row["start"] for row in rows]


async def test_close_gates__mirror_still_empty_or_filled__waits_and_cancels_nothing(pool: Pool, node: Node) -> None:
    async with pool.acquire() as db:
        order, signature = (await enrol(db, 1)).order(BUY, 1_000, 250_000)
        await accept(db, (order, signature))
        kept = await db.fetch("delete from blockchain.participants returning *")

    await app.close_gates(node)
    async with pool.acquire() as db:
        await mirror(db, "backfilling")
    await app.close_gates(node)
    assert await cleared(pool) == []
    assert await pool.fetchval("select status from trading.orders") == "open"

    async with pool.acquire() as db:
        await db.execute("insert into blockchain.participants values ($1, $2, $3, $4, $5, $6)", *kept[0].values())
        await mirror(db)
    await app.close_gates(node)
    assert await cleared(pool) == [SLOT, SLOT + 900]
    assert await pool.fetchval("select status from trading.orders") == "unmatched"


async def test_close_gates__fills_that_only_the_gate_makes__are_told_before_the_end_of_the_book(
    pool: Pool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeConfig, "market", replace(RULES, trading="continuous"))
    async with pool.acquire() as db:
        await mirror(db)
        await accept(db, (await enrol(db, 1)).order(SELL, 1_000, 100_000))
        await accept(db, (await enrol(db, 2)).order(BUY, 600, 250_000))
    await app.close_gates(node)

    bus: Any = node.bus
    assert [channel for channel, start in bus.told if start == SLOT] == ["trades", "book", "book", "auctions"]


async def test_close_gates__one_slot_fails__others_are_cleared_and_it_is_told_once(
    pool: Pool, node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with pool.acquire() as db:
        await mirror(db)
        await accept(db, (await enrol(db, 1)).order(BUY, 1_000, 250_000))
    clear = clearing.clear_area

    async def failing(db: Connection, rules: Any, area: Area, delivery_start: int, *rest: Any, **options: Any) -> Any:
        if delivery_start == SLOT:
            raise OverflowError("bad slot")
        return await clear(db, rules, area, delivery_start, *rest, **options)

    monkeypatch.setattr(clearing, "clear_area", failing)
    with caplog.at_level(logging.INFO, app.logger.name):
        await app.close_gates(node)
        await app.close_gates(node)
        assert await cleared(pool) == [SLOT + 900]
        monkeypatch.setattr(clearing, "clear_area", clear)
        await app.close_gates(node)

    assert await cleared(pool) == [SLOT, SLOT + 900]
    told = [record.getMessage() for record in caplog.records if record.name == app.logger.name]
    assert [message.split(" failed,")[0] for message in told] == [
        f"job=close_gates zone={ZONE} delivery_start={SLOT}",
        f"job=close_gates zone={ZONE} delivery_start={SLOT} works again",
    ]


@pytest.mark.parametrize(("module", "due", "work"), [(settlement, "due", "compute"), (audit, "due", "check_and_store")])
async def test_slots__one_fails_first__the_others_are_done(
    node: Node, monkeypatch: pytest.MonkeyPatch, module: Any, due: str, work: str
) -> None:
    async def two(*_: Any) -> list[tuple[int, int]]:
        return [(ZONE, SLOT), (ZONE, SLOT + 900)]

    async def working(*arguments: Any, **_: Any) -> Any:
        if SLOT in arguments:
            raise TimeoutError
        return []

    monkeypatch.setattr(module, due, two)
    monkeypatch.setattr(module, work, working)
    await (app.settle_slots if module is settlement else app.audit_slots)(node)
    assert isinstance(node.bus, FakeBus)
    assert [start for _, start in node.bus.told] == [SLOT + 900]


@pytest.mark.parametrize("error", [ConnectionRefusedError(), Conflict("mine")])
async def test_contained__service_away__concerns_all_slots(error: Exception) -> None:
    faults = app.SlotFaults()
    if isinstance(error, OSError):
        with pytest.raises(OSError), faults.contained("job", 1, 2):
            raise error
    else:
        with faults.contained("job", 1, 2):
            raise error


@pytest.mark.parametrize(("since_s", "expected_s"), [(None, GATE + 1_000), (GATE + 10.7, GATE + 10)])
async def test_settle_slots__reading_began__grace_counts_from_then(
    node: Node, monkeypatch: pytest.MonkeyPatch, since_s: float | None, expected_s: int
) -> None:
    """A node that has not read the meters yet cannot call one missing: grace then always lies ahead."""
    told: list[int] = []

    async def due(*_: Any) -> list[tuple[int, int]]:
        return [(ZONE, SLOT)]

    async def compute(*_: Any, reading_since_s: int) -> NotReady:
        told.append(reading_since_s)
        return NotReady("")

    monkeypatch.setattr(settlement, "due", due)
    monkeypatch.setattr(settlement, "compute", compute)
    assert isinstance(node.watch, Watch)
    node.watch.since_s = since_s
    await app.settle_slots(node)
    assert told == [expected_s]


async def test_match_orders__order_that_comes_while_it_waits__is_matched_at_once_and_told(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "TICK_S", 5.0)
    monkeypatch.setattr(app, "MATCH_S", 1.5)
    rules = replace(RULES, trading="continuous")
    areas = (alone(ZONE, rules.grid_fee_per_kwh),)
    config: Any = SimpleNamespace(market=rules, zones=(ZONE,), indexer=SimpleNamespace(database_url=database_url))
    unused: Any = None
    clock: Any = FakeClock(GATE - 100)
    bus = FakeBus()
    node = node_of(config, pool, bus, clock, areas, unused)
    async with pool.acquire() as db:
        seller, buyer = await enrol(db, 1), await enrol(db, 2)
    hearing = asyncio.create_task(app.hear_market(node))
    matching = asyncio.create_task(app.match_orders(node))
    await asyncio.sleep(0.3)
    async with pool.acquire() as db:
        await accept(db, seller.order(SELL, 1_000, 100_000))
        await accept(db, buyer.order(BUY, 400, 200_000))
    async with asyncio.timeout(20):
        while not any(channel == "trades" for channel, _ in bus.told):
            await asyncio.sleep(0.05)

    assert await pool.fetchval("select sum(energy_wh) from trading.trades") == 400
    assert [channel for channel, _ in bus.told].count("trades") == 1
    assert ("book", SLOT) in bus.told
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    await matching


async def test_close_gates__day_ahead_fails__its_slots_wait_for_it(
    pool: Pool, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool.acquire() as db:
        await mirror(db)
    config: Any = SimpleNamespace(market=replace(RULES, day_ahead_gate_s=12 * 3_600), zones=(ZONE,))
    day_ahead_node = replace(node, config=config)
    clear = day_ahead.clear

    async def failing(*_: Any, **__: Any) -> Any:
        raise OverflowError("bad day")

    monkeypatch.setattr(day_ahead, "clear", failing)
    await app.close_gates(day_ahead_node)
    assert await cleared(pool) == []

    monkeypatch.setattr(day_ahead, "clear", clear)
    await app.close_gates(day_ahead_node)
    assert await cleared(pool) == [SLOT + 900]
    assert await pool.fetchval("select count(*) from trading.day_ahead_auctions") == 2
