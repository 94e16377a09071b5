"""A slot that traded continuously and then in the closing auction: settled without a difference, tampering named."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contracts.typed_data import Order, order_digest, sign
from indexer.db import Connection, Pool, open_pool
from node.audit import service
from node.market import clearing
from node.market import service as market
from node.market.area import alone
from node.market.instructions import NO_INSTRUCTIONS, Instructions
from node.market.matching import Matcher
from node.settlement.advance import advance
from node.settlement.service import compute
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement import ledger, village
from tests.integration.node.settlement.village import (
    BUY,
    CHAIN_ID,
    CONTEXT,
    DOMAIN,
    END,
    FAR,
    HOME,
    NEIGHBOUR,
    PLANT,
    RULES,
    SELL,
    SLOT,
    ZONE,
    account_of,
    key_of,
    meter,
)

pytestmark = pytest.mark.integration

CONTINUOUS = replace(RULES, trading="continuous")
CTX = replace(CONTEXT, rules=CONTINUOUS)
AREA = alone(ZONE, RULES.grid_fee_per_kwh)
GATE = SLOT - RULES.gate_lead_s

TAMPERINGS = (
    ("update trading.trades set energy_wh = energy_wh + 1 where trade_number = 0", ("trade", "trade 0 energy_wh")),
    ("update trading.trades set price_per_kwh = 1 where trade_number = 1", ("trade", "trade 1 price_per_kwh")),
    ("delete from trading.trades where trade_number = 0", ("trade", "trade 0")),
    (
        "update trading.slot_logs set log = set_byte(log, 20, get_byte(log, 20) # 1)",
        ("sequence", "gate 0 payload"),
    ),
    (
        "update trading.slot_logs set log = set_byte(log, 500, get_byte(log, 500) # 1)",
        ("log", f"area {ZONE} slot {SLOT}"),
    ),
    ("delete from trading.events where kind = 'gate_closed'", ("sequence", "gate 0")),
    (
        "update trading.events set payload = set_byte(payload, 40, 1) where kind = 'gate_closed'",
        ("sequence", "gate 0 payload"),
    ),
    # An order that was to wait until the gate is said to have expired, or to have come after the gate had closed.
    (
        "update trading.events set kind = 'order_expired' where kind = 'order_cancelled'",
        ("order", "order 6 expired_ms"),
    ),
    (
        "update trading.events set sequence = 1000 where sequence = 9",
        ("order", "order 1000 sequence"),
    ),
    ("delete from trading.events where kind = 'order_cancelled'", ("log", f"area {ZONE} slot {SLOT} bytes")),
)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=3) as pool:
        yield pool


@pytest.fixture
async def db(pool: Pool) -> AsyncIterator[Connection]:
    """The village, committed: the matching has connections of its own."""
    async with pool.acquire() as connection:
        async with connection.transaction():
            await village.found(connection)
        yield connection


async def enter(
    db: Connection,
    number: int,
    side: int,
    energy_wh: int,
    limit: int,
    lane: int,
    asking: Instructions = NO_INSTRUCTIONS,
    **fields: int,
) -> bytes:
    order = Order(
        trader=account_of(number),
        zone=ZONE,
        delivery_start=SLOT,
        side=side,
        energy_wh=energy_wh,
        limit_price_per_kwh=limit,
        min_fill_wh=fields.get("min_fill_wh", 0),
        time_in_force=fields.get("time_in_force", 0),
        source=0,
        expiry=FAR,
        lane=lane,
        nonce=fields.get("nonce", 1),
    )
    signature = sign(order_digest(DOMAIN, order), key_of(number))
    async with db.transaction():
        accepted = await market.accept_order(db, CONTINUOUS, DOMAIN, CHAIN_ID, order, signature, GATE - 100.0, asking)
    return accepted.digest


async def trade_continuously(db: Connection, pool: Pool) -> None:
    """Fills before the gate at several prices, one replaced order, one cancelled; the rest goes to the auction."""
    matcher = Matcher(CONTINUOUS, [AREA])
    first = await enter(db, PLANT, SELL, 1_000, 90_000, 1, Instructions(display_wh=300))
    await enter(db, PLANT, SELL, 1_000, 120_000, 2)
    await enter(db, HOME, BUY, 500, 250_000, 3)
    await matcher.follow(pool, GATE - 100)
    # Its 500 sold count against the 900 that it sells in all now.
    await enter(db, PLANT, SELL, 900, 80_000, 1, Instructions(replaces=first), nonce=2)
    await enter(db, NEIGHBOUR, BUY, 300, 240_000, 4)
    gone = await enter(db, NEIGHBOUR, BUY, 250, 70_000, 5)
    async with db.transaction():
        await market.cancel_order(db, CONTINUOUS, account_of(NEIGHBOUR), gone, GATE - 50.0)
    await matcher.follow(pool, GATE - 50)
    # All of it or nothing: two bids that come one after the other are each too small, but not in the auction.
    await enter(db, PLANT, SELL, 400, 100_000, 7, min_fill_wh=400)
    await enter(db, HOME, BUY, 300, 130_000, 6)
    await enter(db, NEIGHBOUR, BUY, 250, 130_000, 8)
    async with db.transaction():
        await clearing.clear_area(db, CONTINUOUS, AREA, SLOT, GATE, chain_id=CHAIN_ID)


async def settle(db: Connection, pool: Pool) -> Contract:
    await trade_continuously(db, pool)
    await meter(db)
    assert isinstance(await compute(db, CTX, ZONE, SLOT, END), int)
    for _ in range(2):
        await ledger.mine(db)
        await advance(db, CTX)
    return await Contract.of(db)


async def test_check_slot__continuous_fills_and_closing_auction__has_no_difference(db: Connection, pool: Pool) -> None:
    chain = await settle(db, pool)

    assert await service.check_slot(db, chain, CTX, ZONE, SLOT) == []

    rows = await db.fetch("select kind, energy_wh, price_per_kwh, settlement_status from trading.trades order by 1, 2")
    assert {row["settlement_status"] for row in rows} == {"settled"}
    traded_wh = {
        kind: sum(row["energy_wh"] for row in rows if row["kind"] == kind) for kind in ("auction", "continuous")
    }
    assert traded_wh == {"auction": 400, "continuous": 900}
    assert len({row["price_per_kwh"] for row in rows}) == 3
    assert await db.fetchval("select sum(locked_cash) from trading.orders") == 0


async def test_check_slot__tampered_continuous_slot__names_it(db: Connection, pool: Pool) -> None:
    chain = await settle(db, pool)
    unseen = []
    for statement, named in TAMPERINGS:
        tampering = db.transaction()
        await tampering.start()
        assert not (await db.execute(statement)).endswith(" 0"), statement
        found = {(item.kind, item.subject) for item in await service.check_slot(db, chain, CTX, ZONE, SLOT)}
        if named not in found:
            unseen.append((statement, named, found))
        await tampering.rollback()
    assert unseen == []
