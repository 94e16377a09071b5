"""What happens when a gate closes, on a real database."""

import pytest

from indexer.db import Connection
from node.market import book, ledger, refusals, sequence, service
from node.market.area import alone
from tests.integration.node.market.community import (
    BUY,
    CHAIN_ID,
    DOMAIN,
    GATE,
    NOW,
    RULES,
    SELL,
    SLOT,
    ZONE,
    accept,
    clear,
    enrol,
)

pytestmark = pytest.mark.integration

ALONE = alone(ZONE, RULES.grid_fee_per_kwh)


async def test_clear__crossing_book__writes_trades_fills_locks_and_event(db: Connection) -> None:
    home, plant, idle = await enrol(db, 1), await enrol(db, 2), await enrol(db, 3)
    bid = await accept(db, home.order(BUY, 1_000, 270_000))
    offer = await accept(db, plant.order(SELL, 1_500, 150_000))
    dear = await accept(db, idle.order(SELL, 500, 310_000))

    cleared = await clear(db)

    # One bid at 250,000 before the fee of 20,000; the offer is left at the margin, so it sets the price.
    assert (cleared.clearing_price_per_kwh, cleared.matched_wh, cleared.order_count) == (150_000, 1_000, 3)
    (trade,) = await service.trades(db, zone=ZONE, delivery_start=SLOT)
    assert (trade.buy_order, trade.sell_order, trade.energy_wh) == (bid.digest, offer.digest, 1_000)
    assert (trade.buyer, trade.seller, trade.price_per_kwh) == (home.address, plant.address, 150_000)
    assert trade.settlement_status == "pending"
    found = {row.digest: (row.status, row.matched_wh, row.locked_cash) for row in await service.orders(db)}
    assert found == {
        bid.digest: ("matched", 1_000, 170_000),
        offer.digest: ("matched", 1_000, 170_000),
        dear.digest: ("unmatched", 0, 0),
    }
    events = await ledger.events(db)
    assert events[-1].subject == sequence.auction_subject(ZONE, SLOT)
    assert events[-1].payload == cleared.book_hash + cleared.result_hash
    assert sequence.first_fault(events) is None


async def test_clear__published_book__gives_the_same_hash_and_no_forged_order(db: Connection) -> None:
    traders = [await enrol(db, number) for number in range(1, 7)]
    for number, trader in enumerate(traders):
        await accept(db, trader.order(BUY, 700 + number, 200_000 + 10_000 * number))
        await accept(db, trader.order(SELL, 500 + number, 120_000 + 20_000 * number, min_fill_wh=number * 50))
    sealed = await service.book(db, ZONE, SLOT)
    cleared = await clear(db)

    view = await service.book(db, ZONE, SLOT)
    assert view.data is not None
    published, result = book.verify_auction(view.data)

    assert (sealed.sealed, sealed.order_count, sealed.orders) == (True, 12, ())
    assert (view.sealed, view.order_count, view.book_hash) == (False, 12, cleared.book_hash)
    assert book.result_hash(published.columns(), result) == cleared.result_hash
    assert result.matched_wh == cleared.matched_wh > 0
    assert book.forged_orders(published, DOMAIN) == []


async def test_clear__again__is_the_first_result(db: Connection) -> None:
    trader = await enrol(db, 1)
    await accept(db, trader.order(BUY, 1_000, 270_000))

    first, again = await clear(db), await clear(db, GATE + 500)

    assert first == again
    assert first.clearing_price_per_kwh is None
    assert len(await ledger.events(db)) == 2


async def test_clear__before_the_gate__is_refused(db: Connection) -> None:
    with pytest.raises(refusals.GateStillOpen):
        await clear(db, GATE - 1)


async def test_accept__after_an_early_clearing__is_refused(db: Connection) -> None:
    trader = await enrol(db, 1)
    await clear(db)

    with pytest.raises(refusals.GateClosed):
        await accept(db, trader.order(BUY, 1_000, 270_000), NOW)


async def test_clear__orders_that_became_void__are_cancelled_first(db: Connection) -> None:
    good, voided, frozen, withdrawn, leaving = [await enrol(db, number) for number in range(1, 6)]
    for trader in (good, voided, frozen, withdrawn, leaving):
        await accept(db, trader.order(BUY, 1_000, 270_000))
    update = "update blockchain.{} where account = $1"
    await db.execute(update.format("account_balances set nonce = 2"), voided.address)
    await db.execute(update.format("participants set flags = 7"), frozen.address)
    await db.execute(update.format("account_balances set cash = 269999"), withdrawn.address)
    await db.execute(update.format("account_balances set pending_cash = 9730001"), leaving.address)
    await db.execute(update.format("account_balances set pending_cash = 9730000"), good.address)

    cleared = await clear(db, chain_id=CHAIN_ID)

    assert cleared.order_count == 1
    states = {row.trader: row.status for row in await service.orders(db)}
    assert states.pop(good.address) == "unmatched"
    assert set(states.values()) == {"cancelled"}
    events = await ledger.events(db)
    assert [event.kind for event in events[5:]] == ["order_cancelled"] * 4 + ["auction_cleared"]
    assert sequence.first_fault(events) is None


async def test_due_gates__new_market__starts_with_the_slot_now_gated(db: Connection) -> None:
    assert await service.due_gates(db, RULES, [ALONE], GATE - 0.001) == [(ALONE, SLOT - 900)]
    assert await service.due_gates(db, RULES, [ALONE], GATE) == [(ALONE, SLOT)]


async def test_due_gates__after_an_outage__lists_every_missed_slot_in_order(db: Connection) -> None:
    trader = await enrol(db, 1)
    await clear(db)
    await accept(db, trader.order(BUY, 1_000, 270_000, delivery_start=SLOT + 1_800), GATE)

    due = await service.due_gates(db, RULES, [ALONE], GATE + 2_700)
    assert due == [(ALONE, SLOT + 900), (ALONE, SLOT + 1_800), (ALONE, SLOT + 2_700)]
    after_days = await service.due_gates(db, RULES, [ALONE], GATE + 900 * 500)
    assert after_days[0] == (ALONE, SLOT + 1_800)
    assert len(after_days) == 1 + 96
    assert after_days[-1] == (ALONE, SLOT + 900 * 500)


async def test_slots__around_a_gate__say_what_each_slot_is_doing(db: Connection) -> None:
    trader = await enrol(db, 1)
    await accept(db, trader.order(BUY, 1_000, 270_000, delivery_start=SLOT + 900), GATE)
    await clear(db)

    slots = await service.slots(db, RULES, ZONE, GATE, past=2)

    assert [(slot.delivery_start - SLOT) // 900 for slot in slots] == [5, 4, 3, 2, 1, 0, -1]
    assert [slot.state for slot in slots] == ["upcoming", *["open"] * 4, "cleared", "closed"]
    assert [slot.order_count for slot in slots] == [0, 0, 0, 0, 1, 0, 0]
    assert slots[-2].gate_closes_at == GATE
    earlier = await service.slots(db, RULES, ZONE, GATE, past=2, before_delivery_start=slots[-1].delivery_start)
    assert [(slot.delivery_start - SLOT) // 900 for slot in earlier] == [-2, -3]


async def test_reads__pages__continue_where_the_last_ended(db: Connection) -> None:
    trader = await enrol(db, 1)
    for _ in range(3):
        await accept(db, trader.order(BUY, 100, 270_000))
    for later in range(3):
        async with db.transaction():
            await service.clear(db, RULES, ZONE, SLOT + 900 * later, GATE + 900 * later)

    first = await service.orders(db, trader=trader.address, limit=2)
    rest = await service.orders(db, trader=trader.address, limit=2, before_sequence=first[-1].sequence)
    assert [row.sequence for row in first + rest] == [3, 2, 1]
    auctions = await service.auctions(db, ZONE, limit=2)
    more = await service.auctions(db, ZONE, limit=2, before_delivery_start=auctions[-1].delivery_start)
    assert [row.delivery_start for row in auctions + more] == [SLOT + 1_800, SLOT + 900, SLOT]
