"""The indicative price and volume of an open book, and what its closing auction then comes to."""

from dataclasses import replace

import pytest

from indexer.db import Connection, Pool
from node.market import clearing, service
from node.market.area import Area, alone
from node.market.indicative import Indication, ZoneIndication, indication
from node.market.instructions import Instructions
from node.market.matching import Matcher
from tests.integration.node.market.community import (
    BUY,
    CHAIN_ID,
    DOMAIN,
    GATE,
    NOW,
    RULES,
    SELL,
    SLOT,
    Trader,
    enrol,
)

pytestmark = pytest.mark.integration

CONTINUOUS = replace(RULES, trading="continuous")
FEE = RULES.grid_fee_per_kwh
ALONE = alone(1, FEE)
LINKED = Area((1, 2), {(1, 1): FEE, (2, 2): FEE, (2, 1): 30_000}, {(2, 1): 600})


async def accept(
    db: Connection,
    trader: Trader,
    side: int,
    energy_wh: int,
    limit: int,
    *,
    zone: int = 1,
    least_wh: int = 0,
    display_wh: int = 0,
) -> None:
    order, signature = trader.order(side, energy_wh, limit, zone=zone, min_fill_wh=least_wh)
    asked = Instructions(display_wh=display_wh)
    async with db.transaction():
        await service.accept_order(db, CONTINUOUS, DOMAIN, CHAIN_ID, order, signature, NOW, instructions=asked)


async def seen(pool: Pool, area: Area) -> Indication:
    await Matcher(CONTINUOUS, [area]).follow(pool, NOW)
    async with pool.acquire() as db, db.transaction():
        return await indication(db, area, SLOT)


async def test_indication__no_order_yet__has_no_price(pool: Pool) -> None:
    async with pool.acquire() as db, db.transaction():
        found = await indication(db, LINKED, SLOT)

    assert found.revision == 0
    assert found.zones == tuple(ZoneIndication(zone, None, None, 0, 0, None, None) for zone in (1, 2))


async def test_indication__book_that_is_not_crossed__shows_its_best_limits_and_no_volume(pool: Pool) -> None:
    async with pool.acquire() as db:
        home, plant = await enrol(db, 1), await enrol(db, 2)
        for limit in (150_000, 140_000):
            await accept(db, home, BUY, 500, limit)
        await accept(db, plant, SELL, 500, 200_000, display_wh=100)

    (zone,) = (await seen(pool, ALONE)).zones

    assert zone == ZoneIndication(1, None, None, 0, 0, 150_000, 200_000)


async def test_indication__orders_that_wait_for_their_minimum__is_what_the_closing_auction_comes_to(pool: Pool) -> None:
    async with pool.acquire() as db:
        home, plant, other = await enrol(db, 1), await enrol(db, 2), await enrol(db, 3)
        await accept(db, home, BUY, 1_000, 270_000, least_wh=1_000)
        await accept(db, plant, SELL, 600, 150_000)
        await accept(db, other, SELL, 400, 160_000)

    found = await seen(pool, ALONE)

    (zone,) = found.zones
    assert (zone.bought_wh, zone.sold_wh) == (1_000, 1_000)
    assert (zone.best_bid_per_kwh, zone.best_ask_per_kwh) == (None, 150_000)
    assert zone.buy_price_per_kwh == (zone.sell_price_per_kwh or 0) + FEE
    async with pool.acquire() as db, db.transaction():
        (auction,) = await clearing.clear_area(db, CONTINUOUS, ALONE, SLOT, GATE)
    assert (auction.clearing_price_per_kwh, auction.matched_wh) == (zone.sell_price_per_kwh, zone.bought_wh)


async def test_indication__line_that_trades_have_used__has_only_its_rest(pool: Pool) -> None:
    async with pool.acquire() as db:
        home, plant = await enrol(db, 1), await enrol(db, 2, zone=2)
        await accept(db, plant, SELL, 400, 90_000, zone=2)
        await accept(db, home, BUY, 400, 270_000)
        await accept(db, home, BUY, 900, 270_000, least_wh=200)
        await accept(db, plant, SELL, 150, 90_000, zone=2)
        await accept(db, plant, SELL, 100, 95_000, zone=2)

    found = await seen(pool, LINKED)

    async with pool.acquire() as db:
        sold = await db.fetchval("select sum(energy_wh) from trading.trades where zone <> sell_zone")
    first = found.zones[0]
    async with pool.acquire() as db, db.transaction():
        auctions = await clearing.clear_area(db, CONTINUOUS, LINKED, SLOT, GATE)
    assert (sold, first.bought_wh) == (400, 200)
    assert auctions[0].matched_wh == first.bought_wh
