"""The leading node follows the sequence and matches, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from indexer.db import Connection, Pool
from node.market import clearing, closing, depth, gate, ledger, matching, sequence
from node.market.area import Area, alone
from node.market.instructions import Instructions
from node.market.matching import BookDiverged, Matcher, Step
from node.market.slot_log import parse_log, rematch
from tests.integration.node.market.community import BUY, CHAIN_ID, GATE, NOW, RULES, SELL, SLOT, enrol
from tests.integration.node.market.trading import AREA, CONTINUOUS, Market, again, orders, trades


async def test_follow__crossing_orders__trade_at_the_price_of_the_one_that_waited(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    offer = await market.enter(seller.order(SELL, 1_000, 100_000))
    bid = await market.enter(buyer.order(BUY, 600, 200_000))

    (step,) = await market.match()

    assert await trades(db) == [(0, "continuous", bid.digest, offer.digest, 600, 100_000, 20_000, bid.sequence)]
    stored = await orders(db)
    assert stored[bid.digest] == {
        "status": "matched", "matched_wh": 600, "taken_wh": 600, "shown_wh": 0, "locked": 72_000, "close_reason": None,
    }  # fmt: skip
    # 400 Wh may still cost 220 more per kWh to replace than they bring, and so may the 600 that are sold.
    assert stored[offer.digest] == {
        "status": "open", "matched_wh": 600, "taken_wh": 600, "shown_wh": 400, "locked": 220_000, "close_reason": None,
    }  # fmt: skip
    assert (step.revision, step.sequence) == (1, bid.sequence)
    assert await market.match() == []


async def test_follow__cancellation_before_the_bid__leaves_nothing_to_trade(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    offer = await market.enter(seller.order(SELL, 1_000, 100_000))
    answer = await market.cancel(seller.address, offer.digest)
    assert answer.status == "cancelling"
    again_answer = await market.cancel(seller.address, offer.digest)
    assert again_answer.status == "cancelling"
    bid = await market.enter(buyer.order(BUY, 600, 200_000))

    await market.match()

    stored = await orders(db)
    assert (stored[offer.digest]["status"], stored[offer.digest]["locked"]) == ("cancelled", 0)
    assert stored[offer.digest]["close_reason"] == "cancelled"
    assert stored[bid.digest]["status"] == "open"
    assert await trades(db) == []


async def test_follow__immediate_order_that_trades_in_part__is_matched_with_the_rest_gone(
    db: Connection, pool: Pool
) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 100, 100_000))
    bid = await market.enter(buyer.order(BUY, 600, 200_000, time_in_force=2))

    await market.match()

    row = (await orders(db))[bid.digest]
    assert (row["status"], row["matched_wh"], row["taken_wh"], row["locked"]) == ("matched", 100, 600, 12_000)
    assert row["close_reason"] == "immediate-or-cancel"


async def test_follow__iceberg__shows_a_slice_at_a_time(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 1_000, 100_000), asking=Instructions(display_wh=300))
    await market.match()

    async with pool.acquire() as reader:
        first = await depth.snapshot(reader, AREA, SLOT)
        await market.enter(buyer.order(BUY, 400, 200_000))
        await market.match()
        second = await depth.snapshot(reader, AREA, SLOT)

    assert [(level.side, level.price_per_kwh, level.energy_wh) for level in first.levels] == [("sell", 100_000, 300)]
    assert [level.energy_wh for level in second.levels] == [200]
    assert (first.revision, second.revision, second.trades) == (1, 2, 2)


async def test_news__folded_into_a_snapshot__are_the_next_snapshot(db: Connection, pool: Pool) -> None:
    market, matcher = Market(pool), Matcher(CONTINUOUS, [AREA])
    traders = [await enrol(db, number) for number in range(1, 5)]
    levels: dict[tuple[int, str, int], int] = {}
    revision = 0
    for turn in range(24):
        trader = traders[turn % 4]
        side = turn * 7 // 3 % 2
        limit = 160_000 - side * 20_000 + turn * 37 % 11 * 2_000
        await market.enter(trader.order(side, 100 + 10 * turn, limit))
        if turn % 3 == 0:
            continue
        for step in await market.match(matcher):
            assert step.revision == revision + 1
            revision = step.revision
            *_, (channel, message) = depth.news(step)
            assert channel == "book"
            for level in message["levels"]:
                levels[level["zone"], level["side"], int(level["price_per_kwh"])] = int(level["energy_wh"])
        snapshot = await depth.snapshot(db, AREA, SLOT)
        shown = {(level.zone, level.side, level.price_per_kwh): level.energy_wh for level in snapshot.levels}
        assert shown == {level: wh for level, wh in levels.items() if wh}
        assert snapshot.revision == revision
    assert len(await trades(db)) > 3


async def test_follow__new_leader__goes_on_where_the_last_one_stopped(db: Connection, pool: Pool) -> None:
    market, first = Market(pool), Matcher(CONTINUOUS, [AREA])
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 500, 100_000))
    await market.match(first)
    await market.enter(buyer.order(BUY, 300, 200_000))
    await market.match(Matcher(CONTINUOUS, [AREA]))
    await market.enter(buyer.order(BUY, 300, 200_000))

    # The old leader comes back with a book that is behind.
    await market.match(first)

    assert [trade[4] for trade in await trades(db)] == [300, 200]
    assert (await again(db)).trade_count == 2


async def test_follow__stored_trades_that_do_not_follow__are_not_added_to(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 500, 100_000))
    await market.enter(buyer.order(BUY, 300, 200_000))
    await market.match()
    await db.execute("update trading.books set trades = 7")
    await market.enter(buyer.order(BUY, 100, 200_000))

    with pytest.raises(BookDiverged):
        await market.match()

    assert len(await trades(db)) == 1


async def test_follow__stored_fills_of_another_hash__are_not_added_to(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 500, 100_000))
    await market.enter(buyer.order(BUY, 300, 200_000))
    await market.match()
    await db.execute("update trading.books set fills_hash = sha256('x')")
    await market.enter(buyer.order(BUY, 100, 200_000))

    with pytest.raises(BookDiverged, match="stored are 1 up to 2 with"):
        await market.match()


async def test_follow__fees_and_price_of_shortage_changed_in_between__hold_for_later_slots_only(
    db: Connection, pool: Pool
) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 500, 100_000))
    await market.enter(buyer.order(BUY, 300, 200_000))
    await market.match()
    changed, dearer = alone(1, 50_000), replace(CONTINUOUS, price_short_per_kwh=900_000)
    for start in (SLOT, SLOT + 900):
        await market.enter(buyer.order(BUY, 100, 200_000, delivery_start=start))
    later = await market.enter(seller.order(SELL, 100, 100_000, delivery_start=SLOT + 900))

    await Matcher(dearer, [changed]).follow(pool, NOW)

    assert [trade[6] for trade in await trades(db)] == [20_000, 20_000, 50_000]
    assert (await orders(db))[later.digest]["locked"] == 75_000  # 900 a kWh less the 150 that it was sold for
    async with db.transaction():
        assert await clearing.due_gates(db, dearer, [changed], GATE) == [(AREA, SLOT)]
        await clearing.clear_area(db, dearer, AREA, SLOT, GATE)
    log = parse_log(await db.fetchval("select log from trading.slot_logs"))
    assert (log.area, log.price_short_per_kwh) == (AREA, CONTINUOUS.price_short_per_kwh)
    assert await db.fetchval("select grid_fee_per_kwh from trading.auctions") == 20_000


@pytest.mark.parametrize("coupled_first", [True, False])
async def test_follow__areas_changed_in_between__slots_that_traded_keep_theirs_to_the_end(
    db: Connection, pool: Pool, coupled_first: bool
) -> None:
    fees = {(1, 1): 20_000, (2, 2): 20_000}
    coupled = [Area((1, 2), {**fees, (1, 2): 45_000})]
    apart = [alone(1, 20_000), alone(2, 20_000)]
    before, after = (coupled, apart) if coupled_first else (apart, coupled)
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await db.execute("update telemetry.meters set zone = 2 where meter_id = 2")
    await market.enter(seller.order(SELL, 400, 100_000))
    await Matcher(CONTINUOUS, before).follow(pool, NOW)
    await market.enter(buyer.order(BUY, 300, 150_000, zone=2))

    await Matcher(CONTINUOUS, after).follow(pool, NOW)

    assert [trade[4] for trade in await trades(db)] == ([300] if coupled_first else [])
    due = await clearing.due_gates(db, CONTINUOUS, after, GATE)
    assert due == [(area, SLOT) for area in before]
    for area, start in due:
        async with db.transaction():
            await clearing.clear_area(db, CONTINUOUS, area, start, GATE)
    assert sum(trade[4] for trade in await trades(db)) == (300 if coupled_first else 0)
    assert await clearing.due_gates(db, CONTINUOUS, after, GATE) == []


async def test_close__while_the_auction_runs__others_add_to_the_sequence(
    db: Connection, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 1_000, 100_000))
    await market.enter(buyer.order(BUY, 600, 200_000))
    void = await market.enter(buyer.order(BUY, 100, 90_000))
    await db.execute("update blockchain.account_balances set cash = 0 where account = $1", buyer.address)
    books, entered = closing.books, []

    async def slow(*arguments: Any, **options: Any) -> Any:
        entered.append(
            await asyncio.wait_for(market.enter(seller.order(SELL, 1, 90_000, delivery_start=SLOT + 900)), 5)
        )
        return await books(*arguments, **options)

    monkeypatch.setattr(closing, "books", slow)
    async with pool.acquire() as own, own.transaction():
        await clearing.clear_area(own, CONTINUOUS, AREA, SLOT, GATE, chain_id=CHAIN_ID)

    events = await ledger.events(db)
    assert sequence.first_fault(events) is None
    assert [(event.kind, event.subject) for event in events[3:]] == [
        ("order_accepted", entered[0].digest),
        ("gate_closed", sequence.auction_subject(1, SLOT)),
        ("order_cancelled", void.digest),
        ("auction_cleared", sequence.auction_subject(1, SLOT)),
    ]


async def test_close__fills_that_the_gate_makes__are_told(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 1_000, 100_000))
    await market.match()
    await market.enter(buyer.order(BUY, 600, 200_000))
    steps: list[Step] = []
    async with db.transaction():
        await clearing.clear_area(db, CONTINUOUS, AREA, SLOT, GATE, matched=steps.append)

    (step,) = steps
    trade, book = depth.news(step)
    assert (trade[0], trade[1]["trade_number"], trade[1]["energy_wh"]) == ("trades", 0, "600")
    assert (book[0], book[1]["revision"]) == ("book", 2)


async def test_slot_events__more_than_a_page__are_all_there_in_sequence(
    db: Connection, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "_PAGE", 3)
    market = Market(pool)
    seller = await enrol(db, 1)
    for turn in range(8):
        order = await market.enter(seller.order(SELL, 10, 100_000))
        if turn % 2:
            await market.cancel(seller.address, order.digest)

    async with db.transaction():
        assert await matching.slot_events(db, AREA, SLOT, 2**62) == await ledger.events(db)
        assert len(await matching.slot_events(db, AREA, SLOT, 7)) == 7


async def test_close__what_is_left__goes_into_the_closing_auction(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer, other = await enrol(db, 1), await enrol(db, 2), await enrol(db, 3)
    offer = await market.enter(seller.order(SELL, 1_000, 100_000))
    bid = await market.enter(buyer.order(BUY, 600, 200_000))
    await market.match()
    # Never seen by the engine before the gate closes; and one that only the auction can fill.
    late = await market.enter(other.order(BUY, 100, 150_000))
    whole = await market.enter(other.order(BUY, 400, 180_000, min_fill_wh=400))
    more = await market.enter(buyer.order(SELL, 100, 120_000))

    (auction,) = await market.close()

    kinds = [(trade[0], trade[1], trade[2], trade[4]) for trade in await trades(db)]
    assert kinds == [
        (0, "continuous", bid.digest, 600),
        (1, "continuous", late.digest, 100),
        (2, "auction", whole.digest, 300),
        (3, "auction", whole.digest, 100),
    ]
    assert auction.matched_wh == 400
    assert (await orders(db))[more.digest]["status"] == "matched"
    stored = await orders(db)
    assert (stored[offer.digest]["status"], stored[offer.digest]["matched_wh"]) == ("matched", 1_000)
    assert stored[offer.digest]["shown_wh"] == 0
    assert sequence.first_fault(await ledger.events(db)) is None


async def test_close__coupled_zones__leave_the_auction_the_capacity_that_trades_did_not_use(
    db: Connection, pool: Pool
) -> None:
    area = Area((1, 2), {(1, 1): 20_000, (2, 2): 20_000, (1, 2): 45_000, (2, 1): 45_000}, {(1, 2): 500})
    market = Market(pool, area)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await db.execute("update telemetry.meters set zone = 2 where meter_id = 2")
    offer = await market.enter(seller.order(SELL, 400, 100_000))
    bid = await market.enter(buyer.order(BUY, 300, 150_000, zone=2))
    await market.match()
    # At least 200 at once: no offer has as much, but both together have more than there is left of the line.
    waiting = await market.enter(buyer.order(BUY, 250, 150_000, zone=2, min_fill_wh=200))
    await market.enter(seller.order(SELL, 150, 100_000))

    auctions = await market.close()

    assert [auction.zone for auction in auctions] == [1, 2]
    first, *rest = await trades(db)
    assert first == (0, "continuous", bid.digest, offer.digest, 300, 100_000, 45_000, bid.sequence)
    assert {trade[1:3] for trade in rest} == {("auction", waiting.digest)}
    assert sum(trade[4] for trade in rest) == 200
    log = parse_log(await db.fetchval("select log from trading.slot_logs where area = 1"))
    assert log.area == area


async def test_close__slot_log__makes_the_same_trades_for_a_stranger(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    await market.enter(seller.order(SELL, 1_000, 100_000), asking=Instructions(display_wh=100))
    gone = await market.enter(seller.order(SELL, 10, 90_000))
    await market.cancel(seller.address, gone.digest)
    await market.enter(buyer.order(BUY, 550, 200_000))
    await market.match()
    await market.close()

    row = await db.fetchrow("select * from trading.slot_logs")
    closed = await db.fetchrow("select payload from trading.events where kind = 'gate_closed'")
    done = rematch(row["log"])

    assert row["replay_hash"] == done.replay_hash
    assert closed["payload"] == row["log_hash"] + row["replay_hash"]
    fills = [(fill.number, fill.buy.digest, fill.sell.digest, fill.energy_wh) for fill in done.changes.fills]
    assert fills == [(trade[0], *trade[2:5]) for trade in await trades(db) if trade[1] == "continuous"]
    assert len(fills) == 6
    assert parse_log(row["log"]).to_bytes() == row["log"]


async def test_expire__order_good_till_a_time__leaves_by_an_event(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    timed = seller.order(SELL, 500, 100_000, time_in_force=1)
    offer = await market.enter(timed, asking=Instructions(good_till=int(NOW) + 10))
    await market.match()
    assert await gate.expire(pool, CONTINUOUS, NOW + 9) == 0
    assert await gate.expire(pool, CONTINUOUS, NOW + 10) == 1
    assert await gate.expire(pool, CONTINUOUS, NOW + 11) == 0
    bid = await market.enter(buyer.order(BUY, 300, 200_000))

    await market.match()

    stored = await orders(db)
    assert (stored[offer.digest]["status"], stored[offer.digest]["locked"]) == ("expired", 0)
    assert stored[bid.digest]["status"] == "open"


async def test_close__order_good_till_before_the_gate__has_expired_without_a_tick(db: Connection, pool: Pool) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    timed = seller.order(SELL, 500, 100_000, time_in_force=1)
    offer = await market.enter(timed, asking=Instructions(good_till=GATE))
    await market.enter(buyer.order(BUY, 300, 110_000))

    (auction,) = await market.close()

    assert (await orders(db))[offer.digest]["status"] == "expired"
    assert auction.matched_wh == 0


async def test_expire__sealed_book__loses_the_order_at_once(db: Connection, pool: Pool) -> None:
    seller = await enrol(db, 1)
    market = Market(pool)
    timed = seller.order(SELL, 500, 100_000, time_in_force=1)
    offer = await market.enter(timed, asking=Instructions(good_till=int(NOW) + 10))

    assert await gate.expire(pool, RULES, NOW + 10) == 1

    assert (await orders(db))[offer.digest]["status"] == "expired"


class BreakingPool:
    """Gives connections that are lost at a statement, counted over all of them."""

    def __init__(self, pool: Pool, statements: int) -> None:
        self._pool = pool
        self._left = statements

    @asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncIterator[Any]:
        async with self._pool.acquire(**options) as connection:
            yield _Breaking(connection, self)

    def count(self) -> None:
        if not self._left:
            raise ConnectionError("lost")
        self._left -= 1


class _Breaking:
    def __init__(self, connection: Any, pool: BreakingPool) -> None:
        self._connection = connection
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._connection, name)
        if name not in ("execute", "fetch", "fetchrow", "fetchval"):
            return call

        async def counted(*arguments: Any) -> Any:
            self._pool.count()
            return await call(*arguments)

        return counted

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield
            self._pool.count()  # lost before the commit arrives


async def test_follow__connection_lost_at_any_statement__every_event_is_matched_once(
    db: Connection, pool: Pool
) -> None:
    market = Market(pool)
    seller, buyer = await enrol(db, 1), await enrol(db, 2)
    matcher = Matcher(CONTINUOUS, [AREA])
    lost = 0
    for statements in range(16):
        await market.enter(seller.order(SELL, 10 + statements, 100_000))
        await market.enter(buyer.order(BUY, 10 + statements, 200_000))
        try:
            await matcher.follow(BreakingPool(pool, statements), NOW)  # type: ignore[arg-type]
        except ConnectionError:
            lost += 1
            stored = len(await trades(db))
            assert stored == await db.fetchval("select coalesce(sum(trades), 0) from trading.books")
        await market.match(matcher if statements % 2 else None)
        assert len(await trades(db)) == statements + 1
    assert 8 <= lost < 16
    assert (await again(db)).trade_count == 16
    assert {row["status"] for row in (await orders(db)).values()} == {"matched"}
