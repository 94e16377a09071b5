"""The auction of a whole day at once, on a real database."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.typed_data import Order
from indexer.db import Connection, Pool
from node.config import MarketRules
from node.market import clearing, day_ahead, days, ledger, refusals, sequence, service
from node.market.area import Area, alone
from node.market.days import day_of
from node.market.instructions import Instructions
from node.market.matching import Matcher
from node.market.orders import gate_opens_at
from node.market.session_book import rerun_session
from tests.integration.node.market.community import BUY, CHAIN_ID, DOMAIN, RULES, SELL, SLOT, Trader, enrol

pytestmark = pytest.mark.integration

NOON = replace(RULES, day_ahead_gate_s=12 * 3_600)
DAY = day_of(RULES, SLOT)
GATE = DAY - 86_400 // 2
"""The day-ahead gate: noon of the day before."""
EARLY = GATE - 1_000.0
FIRST, SECOND = DAY + 36_000, DAY + 36_900
FEE = RULES.grid_fee_per_kwh
ALONE = alone(1, FEE)
BOTH = Area((1, 2), {(1, 1): FEE, (2, 2): FEE, (2, 1): 30_000}, {(2, 1): 600})


async def accept(
    db: Connection, entry: tuple[Order, bytes], now_s: float = EARLY, block: bytes | None = None, good_till: int = 0
) -> service.Accepted:
    asked = Instructions(block=block, good_till=good_till)
    async with db.transaction():
        return await service.accept_order(db, NOON, DOMAIN, CHAIN_ID, *entry, now_s, instructions=asked)


async def clear(db: Connection, area: Area = ALONE, now_s: float = GATE) -> day_ahead.DayAhead:
    async with db.transaction():
        return await day_ahead.clear(db, NOON, area, DAY, now_s, chain_id=CHAIN_ID)


async def statuses(db: Connection) -> dict[bytes, tuple[str, int, int]]:
    return {row.digest: (row.status, row.matched_wh, row.locked_cash) for row in await service.orders(db)}


def over(trader: Trader, side: int, limit: int, starts: tuple[int, ...], **changes: Any) -> list[tuple[Order, bytes]]:
    return [trader.order(side, 1_000, limit, delivery_start=start, **changes) for start in starts]


async def test_clear__slots_of_a_day__are_cleared_at_once_and_their_orders_done_with(db: Connection) -> None:
    home, plant = await enrol(db, 1), await enrol(db, 2)
    bids = [await accept(db, entry) for entry in over(home, BUY, 270_000, (FIRST, SECOND))]
    offer = await accept(db, plant.order(SELL, 1_500, 150_000, delivery_start=FIRST))
    too_dear = await accept(db, plant.order(SELL, 500, 300_000, delivery_start=SECOND))

    cleared = await clear(db)

    assert (cleared.order_count, cleared.matched_wh, cleared.zones) == (4, 1_000, (1,))
    assert await statuses(db) == {
        bids[0].digest: ("matched", 1_000, 170_000),
        bids[1].digest: ("unmatched", 0, 0),
        offer.digest: ("matched", 1_000, 170_000),
        too_dear.digest: ("unmatched", 0, 0),
    }
    row = await db.fetchrow("select kind, auction_id, trade_number, energy_wh, price_per_kwh from trading.trades")
    assert row is not None
    assert tuple(row) == ("day_ahead", None, 0, 1_000, 150_000)
    prices = await db.fetch(
        "select sell_price_per_kwh, buy_price_per_kwh, bought_wh from trading.day_ahead_prices order by 3"
    )
    assert [tuple(row) for row in prices] == [(None, None, 0), (150_000, 170_000, 1_000)]


async def test_clear__blocks__are_filled_whole_or_not_at_all(db: Connection) -> None:
    home, plant, other = await enrol(db, 1), await enrol(db, 2), await enrol(db, 3)
    family = b"\x07" * 16
    for entry in over(home, BUY, 270_000, (FIRST, SECOND)):
        await accept(db, entry)
    # Both slots, and a child for the first one; the other trader's fits the first slot only.
    parent = [
        await accept(db, entry, block=family + bytes(16)) for entry in over(plant, SELL, 150_000, (FIRST, SECOND))
    ]
    rival = [await accept(db, entry, block=b"\x08" * 32) for entry in over(other, SELL, 200_000, (FIRST, SECOND))]

    cleared = await clear(db)

    assert cleared.accepted_blocks == (parent[0].sequence,)
    assert cleared.rejected_blocks == ()
    found = await statuses(db)
    assert [found[entry.digest][:2] for entry in parent] == [("matched", 1_000)] * 2
    assert [found[entry.digest] for entry in rival] == [("unmatched", 0, 0)] * 2


async def test_clear__child_without_its_parent__is_left_out(db: Connection) -> None:
    home, plant = await enrol(db, 1), await enrol(db, 2)
    family = b"\x07" * 16
    await accept(db, home.order(BUY, 1_000, 270_000, delivery_start=FIRST))
    parent = await accept(db, plant.order(SELL, 1_000, 300_000, delivery_start=SECOND), block=family + bytes(16))
    child = await accept(db, plant.order(SELL, 1_000, 100_000, delivery_start=FIRST), block=family + b"\1" * 16)

    cleared = await clear(db)

    assert (cleared.accepted_blocks, cleared.matched_wh) == ((), 0)
    found = await statuses(db)
    assert {found[entry.digest][0] for entry in (parent, child)} == {"unmatched"}


async def test_clear__published_bytes__give_the_same_hashes(db: Connection) -> None:
    home, roof, plant = await enrol(db, 1), await enrol(db, 2), await enrol(db, 3, zone=2)
    for entry in over(home, BUY, 270_000, (FIRST, SECOND)):
        await accept(db, entry)
    for entry in over(plant, SELL, 90_000, (FIRST, SECOND), zone=2):
        await accept(db, entry, block=b"\x05" * 32)
    await accept(db, roof.order(SELL, 700, 200_000, delivery_start=FIRST))

    cleared = await clear(db, BOTH)
    data = await db.fetchval("select book from trading.day_ahead_auctions")
    again = rerun_session(data)

    assert (again.book_hash, again.result_hash) == (cleared.book_hash, cleared.result_hash)
    assert again.accepted_blocks == cleared.accepted_blocks
    assert [slot.delivery_start for slot in again.slots] == [FIRST, SECOND]
    (event,) = [event for event in await ledger.events(db) if event.kind == sequence.DAY_AHEAD_CLEARED]
    assert event.subject == sequence.auction_subject(BOTH.name, DAY)
    assert event.payload == cleared.book_hash + cleared.result_hash


async def test_clear__again_and_empty__is_the_first_result(db: Connection) -> None:
    first, again = await clear(db), await clear(db, now_s=GATE + 500)

    assert first == again
    assert (first.order_count, first.matched_wh) == (0, 0)
    data = await db.fetchval("select book from trading.day_ahead_auctions")
    assert rerun_session(data).result_hash == first.result_hash


async def test_clear__before_its_gate__is_refused(db: Connection) -> None:
    with pytest.raises(refusals.GateStillOpen):
        await clear(db, now_s=GATE - 1)


async def test_clear__late__leaves_the_orders_of_the_day_itself(db: Connection) -> None:
    home = await enrol(db, 1)
    early = await accept(db, home.order(BUY, 1_000, 270_000, delivery_start=FIRST))
    late = await accept(db, home.order(BUY, 1_000, 270_000, delivery_start=FIRST), GATE + 10.0)

    assert (await clear(db, now_s=GATE + 600)).order_count == 1

    found = await statuses(db)
    assert (found[early.digest][0], found[late.digest][0]) == ("unmatched", "open")
    async with db.transaction():
        (auction,) = await clearing.clear_area(db, NOON, ALONE, FIRST, FIRST, chain_id=CHAIN_ID)
    assert auction.order_count == 1


async def test_clear__orders_good_till_a_time_before_the_gate__have_expired(db: Connection) -> None:
    home = await enrol(db, 1)
    waits = await accept(
        db, home.order(BUY, 500, 270_000, delivery_start=FIRST, time_in_force=1), good_till=int(GATE) + 1
    )
    gone = await accept(db, home.order(BUY, 500, 270_000, delivery_start=FIRST, time_in_force=1), good_till=int(GATE))

    assert (await clear(db, now_s=GATE + 600)).order_count == 1

    found = await statuses(db)
    assert (found[waits.digest][0], found[gone.digest][0]) == ("unmatched", "expired")


async def test_clear__orders_that_expire_while_their_traders_enter_others__wait_for_nobody(pool: Pool) -> None:
    async with pool.acquire() as db:
        home, plant = await enrol(db, 1), await enrol(db, 2)
        for trader, start in ((home, FIRST), (plant, SECOND)):
            entry = trader.order(BUY, 500, 270_000, delivery_start=start, time_in_force=1)
            await accept(db, entry, good_till=int(GATE))
        locked = asyncio.Event()

        async def enter() -> None:
            async with pool.acquire() as own, own.transaction():
                await ledger.lock_entries(own, {(1, SECOND + 86_400)}, {plant.address})
                locked.set()
                await asyncio.sleep(0.5)
                await ledger.append(own, [(sequence.ORDER_CANCELLED, bytes(32), sequence.cancelled_payload(0))], GATE)

        entering = asyncio.create_task(enter())
        await locked.wait()
        cleared = await clear(db, now_s=GATE + 600)
        await entering

        assert cleared.order_count == 0
        assert {found[0] for found in (await statuses(db)).values()} == {"expired"}
        assert sequence.first_fault(await ledger.events(db)) is None


async def test_clear_area__trades_after_the_day_ahead_ones__are_numbered_on(db: Connection) -> None:
    home, plant = await enrol(db, 1), await enrol(db, 2)
    for now_s in (EARLY, GATE + 10.0):
        await accept(db, home.order(BUY, 500, 270_000, delivery_start=FIRST), now_s)
        await accept(db, plant.order(SELL, 500, 150_000, delivery_start=FIRST), now_s)
        if now_s == EARLY:
            await clear(db)
    async with db.transaction():
        await clearing.clear_area(db, NOON, ALONE, FIRST, FIRST, chain_id=CHAIN_ID)

    rows = await db.fetch("select trade_number, kind, auction_id is null from trading.trades order by 1")
    assert [tuple(row) for row in rows] == [(0, "day_ahead", True), (1, "auction", False)]


async def test_accept__block__is_taken_until_the_day_ahead_gate_only(db: Connection) -> None:
    home = await enrol(db, 1)
    entry = home.order(BUY, 1_000, 270_000, delivery_start=FIRST)

    with pytest.raises(refusals.BlockUnsupported):
        await accept(db, entry, float(GATE), b"\x01" * 32)
    async with db.transaction():
        with pytest.raises(refusals.BlockUnsupported):
            await service.accept_order(
                db, RULES, DOMAIN, CHAIN_ID, *entry, FIRST - 1_000.0, instructions=Instructions(block=b"\x01" * 32)
            )
    assert await service.orders(db) == []


async def test_accept__day_ahead_session__opens_a_day_before_its_gate(db: Connection) -> None:
    home = await enrol(db, 1)
    assert gate_opens_at(NOON, FIRST) == GATE - 86_400

    with pytest.raises(refusals.GateNotOpen):
        await accept(db, home.order(BUY, 1_000, 270_000, delivery_start=FIRST), GATE - 86_400 - 0.5)
    await accept(db, home.order(BUY, 1_000, 270_000, delivery_start=FIRST), float(GATE - 86_400))


async def test_due__gates_that_closed__are_the_next_day_and_the_days_of_slots_to_clear(db: Connection) -> None:
    assert await day_ahead.due(db, RULES, [ALONE], [], GATE) == []
    assert await day_ahead.due(db, NOON, [ALONE], [], GATE - 1) == [(ALONE, DAY - 86_400)]
    assert await day_ahead.due(db, NOON, [ALONE], [(ALONE, FIRST - 86_400)], GATE) == [
        (ALONE, DAY - 86_400),
        (ALONE, DAY),
    ]
    await clear(db)
    assert await day_ahead.due(db, NOON, [ALONE], [], GATE) == []
    # A zone that had its auction alone does not have it again in an area that was made later.
    assert await day_ahead.due(db, NOON, [BOTH], [], GATE) == []


# Lines: what the session sold is not sold again.


async def sold_of(db: Connection, sell_zone: int = 2) -> int:
    return int(
        await db.fetchval(
            "select coalesce(sum(energy_wh), 0) from trading.trades where sell_zone = $1 and zone <> $1", sell_zone
        )
    )


async def cross(db: Connection, energy_wh: int, now_s: float, rules: MarketRules = NOON) -> None:
    """A home in zone 1 and a plant in zone 2 want to trade over the line of 600 Wh."""
    home, plant = Trader(1, await lanes(db)), Trader(2, await lanes(db))
    for trader, side, limit, zone in ((home, BUY, 270_000, 1), (plant, SELL, 90_000, 2)):
        order, signature = trader.order(side, energy_wh, limit, delivery_start=FIRST, zone=zone)
        async with db.transaction():
            await service.accept_order(db, rules, DOMAIN, CHAIN_ID, order, signature, now_s)


async def lanes(db: Connection) -> int:
    return int(await db.fetchval("select count(*) from trading.orders"))


async def enrol_both(db: Connection) -> None:
    await enrol(db, 1)
    await enrol(db, 2, zone=2)


@pytest.mark.parametrize(("ahead_wh", "on_the_day_wh"), [(600, 0), (400, 200), (0, 600)])
async def test_clear_area__line_sold_ahead__has_only_the_rest_on_the_day(
    db: Connection, ahead_wh: int, on_the_day_wh: int
) -> None:
    await enrol_both(db)
    if ahead_wh:
        await cross(db, ahead_wh, EARLY)
    await clear(db, BOTH)
    assert await sold_of(db) == ahead_wh
    await cross(db, 1_000, GATE + 10.0)

    ((area, start),) = [due for due in await clearing.due_gates(db, NOON, [BOTH], FIRST) if due[1] == FIRST]
    async with db.transaction():
        await clearing.clear_area(db, NOON, area, start, FIRST)

    assert await sold_of(db) == ahead_wh + on_the_day_wh == 600


async def test_clear_area__line_sold_ahead__keeps_its_terms_when_the_configuration_changes(db: Connection) -> None:
    await enrol_both(db)
    await cross(db, 400, EARLY)
    await clear(db, BOTH)
    await cross(db, 1_000, GATE + 10.0)
    wider = replace(BOTH, capacity_wh={(2, 1): 5_000})

    ((area, start),) = [due for due in await clearing.due_gates(db, NOON, [wider], FIRST) if due[1] == FIRST]
    async with db.transaction():
        await clearing.clear_area(db, NOON, area, start, FIRST)

    assert area.capacity_wh == {(2, 1): 200}
    assert await sold_of(db) == 600


async def test_follow__book_after_a_session__has_its_rest_and_none_of_its_orders(pool: Pool) -> None:
    continuous = replace(NOON, trading="continuous", day_ahead_gate_s=None, open_slots=200)
    async with pool.acquire() as db:
        await enrol_both(db)
        await cross(db, 400, EARLY)
        # Left over in the session: it must not meet the later bid.
        await accept(db, Trader(2, 50).order(SELL, 500, 260_000, delivery_start=FIRST, zone=2))
        await clear(db, BOTH)
        await cross(db, 1_000, GATE + 10.0, continuous)

    await Matcher(continuous, [BOTH]).follow(pool, GATE + 11.0)

    async with pool.acquire() as db:
        rows = await db.fetch(
            "select trade_number, kind, energy_wh from trading.trades"
            " where delivery_start = to_timestamp($1) order by 1",
            FIRST,
        )
        assert [tuple(row) for row in rows] == [(0, "day_ahead", 400), (1, "continuous", 200)]
        ((area, start),) = [due for due in await clearing.due_gates(db, continuous, [BOTH], FIRST) if due[1] == FIRST]
        async with db.transaction():
            await clearing.clear_area(db, continuous, area, start, FIRST)
        assert await sold_of(db) == 600


# Days on which the clocks change. Berlin's last Sundays of March and October 2025.

BERLIN = replace(NOON, time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("day", "slots"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100), (date(2025, 6, 17), 96)]
)
async def test_clear__day_of_the_market__has_all_its_slots_and_no_other(db: Connection, day: date, slots: int) -> None:
    home, plant = await enrol(db, 1), await enrol(db, 2)
    await db.execute("update blockchain.participants set kyc_until = '2099-01-01'")
    await db.execute("update blockchain.mandates set expiry = '2099-01-01'")
    begins = days.begins_at(BERLIN, day)
    starts = days.slots_of(BERLIN, begins)
    closes_at = days.session_closes_at(BERLIN, begins)
    assert closes_at is not None
    assert len(starts) == slots
    inside = (starts[0], starts[-1])
    for start in (starts[0] - 900, *inside, starts[-1] + 900):
        for trader, side, limit in ((home, BUY, 270_000), (plant, SELL, 90_000)):
            order, signature = trader.order(side, 100, limit, delivery_start=start, expiry=start + 10_000)
            async with db.transaction():
                await service.accept_order(
                    db, replace(BERLIN, open_slots=200), DOMAIN, CHAIN_ID, order, signature, closes_at - 60.0
                )
    async with db.transaction():
        done = await day_ahead.clear(db, BERLIN, ALONE, begins, closes_at)

    assert (done.order_count, done.matched_wh) == (4, 200)
    rows = await db.fetch("select distinct extract(epoch from delivery_start)::bigint from trading.trades order by 1")
    assert [row[0] for row in rows] == list(inside)
    ends_at = await db.fetchval("select extract(epoch from ends_at)::bigint from trading.day_ahead_auctions")
    assert ends_at - begins == slots * 900
