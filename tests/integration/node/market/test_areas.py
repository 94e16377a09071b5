"""Zones that are cleared together, on a real database."""

import asyncio

import pytest

from indexer.db import Connection, Pool
from node.market import clearing, ledger, sequence, service
from node.market.area import Area
from node.market.area_auction import rerun
from node.market.area_book import area_book_bytes
from node.market.refusals import GateClosed
from tests.integration.node.market.community import BUY, CHAIN_ID, GATE, RULES, SELL, SLOT, accept, clear, enrol

pytestmark = pytest.mark.integration

FEE = RULES.grid_fee_per_kwh
# Homes in zone 1, a plant in zone 2: what it sells to zone 1 costs 30,000 of fee, and no more than 600 Wh fit the line.
AREA = Area((1, 2), {(1, 1): FEE, (2, 2): FEE, (2, 1): 30_000, (1, 2): 30_000}, {(2, 1): 600})


async def clear_area(db: Connection, area: Area = AREA, now_s: float = GATE) -> tuple[clearing.Auction, ...]:
    async with db.transaction():
        return await clearing.clear_area(db, RULES, area, SLOT, now_s, chain_id=CHAIN_ID)


async def congested(db: Connection) -> None:
    """A home and a roof in zone 1, a plant in zone 2, and a line too thin for what the plant would sell."""
    home, roof, plant = await enrol(db, 1), await enrol(db, 2), await enrol(db, 3, zone=2)
    await accept(db, home.order(BUY, 1_000, 270_000))
    await accept(db, roof.order(SELL, 700, 200_000))
    await accept(db, plant.order(SELL, 5_000, 90_000, zone=2))


async def test_clear_area__line_used_up__prices_differ_and_the_buyer_pays_rent(db: Connection) -> None:
    await congested(db)

    first, second = await clear_area(db)

    # The roof is left at the margin in zone 1, the plant in zone 2.
    assert (first.area, second.area) == (1, 1)
    assert (first.buy_price_per_kwh, first.clearing_price_per_kwh) == (220_000, 200_000)
    assert (second.buy_price_per_kwh, second.clearing_price_per_kwh) == (None, 90_000)
    assert (first.matched_wh, first.sold_wh, second.matched_wh, second.sold_wh) == (1_000, 400, 0, 600)
    rows = await db.fetch(
        "select trade_number, zone, sell_zone, energy_wh, price_per_kwh, fee_per_kwh, rent_per_kwh"
        " from trading.trades order by trade_number"
    )
    assert [tuple(row) for row in rows] == [
        (0, 1, 1, 400, 200_000, FEE, 0),
        (1, 1, 2, 600, 90_000, 30_000, 100_000),
    ]
    locks = {(row.zone, row.side): (row.status, row.matched_wh, row.locked_cash) for row in await service.orders(db)}
    assert locks == {
        # 1,000 Wh at 0.22 all in; what was sold, at what it costs more to replace it.
        (1, "buy"): ("matched", 1_000, 220_000),
        (1, "sell"): ("matched", 400, (RULES.price_short_per_kwh - 200_000) * 400 // 1_000),
        (2, "sell"): ("matched", 600, (RULES.price_short_per_kwh - 90_000) * 600 // 1_000),
    }


async def test_clear_area__published_bytes__give_the_same_hashes(db: Connection) -> None:
    await congested(db)
    first, second = await clear_area(db)

    row = await db.fetchrow("select * from trading.area_auctions")
    assert row is not None
    books = await db.fetch("select book from trading.auctions order by zone")
    data = area_book_bytes(row["head"], [book["book"] for book in books])
    again = rerun(data)

    assert again.area == AREA
    assert (again.book_hash, again.result_hash) == (row["book_hash"], row["result_hash"])
    assert first.result_hash == second.result_hash == row["result_hash"]
    assert [again.result.sells[zone].price_per_kwh for zone in (1, 2)] == [200_000, 90_000]
    (event,) = [event for event in await ledger.events(db) if event.kind == sequence.AUCTION_CLEARED]
    assert event.subject == sequence.auction_subject(AREA.name, SLOT)
    assert event.payload == row["book_hash"] + row["result_hash"]


async def test_clear_area__again__is_the_first_result(db: Connection) -> None:
    await congested(db)

    assert await clear_area(db) == await clear_area(db, now_s=GATE + 500)
    assert await db.fetchval("select count(*) from trading.trades") == 2


async def test_clear_area__killed_before_the_commit__leaves_no_trace_and_then_clears_the_same(db: Connection) -> None:
    await congested(db)
    with pytest.raises(RuntimeError):
        async with db.transaction():
            killed = await clearing.clear_area(db, RULES, AREA, SLOT, GATE, chain_id=CHAIN_ID)
            raise RuntimeError

    assert await db.fetchval("select count(*) from trading.auctions") == 0
    cleared = await clear_area(db)
    assert [auction.result_hash for auction in cleared] == [auction.result_hash for auction in killed]


async def test_clear_area__one_zone_cleared_before_the_area_was_made__clears_the_others(db: Connection) -> None:
    await congested(db)
    alone = await clear(db)

    first, second = await clear_area(db)

    assert first == alone
    assert (second.area, second.sold_wh) == (2, 0)
    assert await db.fetchval("select count(*) from trading.area_auctions") == 0


async def test_clear_area__acceptances_in_all_zones_at_once__are_in_the_book_or_refused(pool: Pool) -> None:
    async with pool.acquire() as db:
        traders = [await enrol(db, number, zone=1 + number % 2) for number in range(1, 7)]

    async def enter(number: int) -> bool:
        trader = traders[number]
        async with pool.acquire() as db:
            try:
                await accept(db, trader.order(BUY, 100 + number, 270_000, zone=1 + trader.number % 2))
            except GateClosed:
                return False
            return True

    async def close() -> int:
        async with pool.acquire() as db:
            return sum(auction.order_count for auction in await clear_area(db))

    in_book, *accepted = await asyncio.gather(close(), *(enter(number) for number in range(6)))

    assert in_book == sum(accepted)


async def test_due_gates__coupled_zones__are_due_together(db: Connection) -> None:
    assert await clearing.due_gates(db, RULES, [AREA], GATE) == [(AREA, SLOT)]
    await clear_area(db)
    assert await clearing.due_gates(db, RULES, [AREA], GATE) == []


async def test_release_locks__area__frees_all_its_zones(db: Connection) -> None:
    await congested(db)
    await clear_area(db)

    async with db.transaction():
        await clearing.release_locks(db, SLOT, AREA.name)

    assert await db.fetchval("select sum(locked_cash) from trading.orders") == 0
    assert {row.settlement_status for row in await service.trades(db)} == {"settled"}
    assert await db.fetchval("select count(*) from trading.held_orders") == 0


async def test_held_orders__seller_in_another_zone__holds_its_lane_until_settled(db: Connection) -> None:
    await congested(db)
    await clear_area(db)

    assert await db.fetchval("select array_agg(distinct zone order by zone) from trading.held_orders") == [1, 2]
