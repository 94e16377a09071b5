"""Candles and statistics of trades, and the open book of a continuous market."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.client import OrderTerms
from indexer.config import Environment
from indexer.db import open_pool
from node.config import MarketRules
from node.market.area import alone
from node.market.matching import Matcher
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, ZONE, Market, clear_account

pytestmark = pytest.mark.integration

START = datetime.fromtimestamp(NOW_S + 1_800, UTC)
BID = OrderTerms(ZONE, START, "buy", 1_000, 300_000, nonce=1)
NIGHT = datetime(2027, 1, 14, 23, 45, tzinfo=UTC)
"""The last slot of a day that is over."""
TRADES = [
    # Delivery, minutes after which it was made, Wh, price
    (NIGHT - timedelta(minutes=15), 0, 1_000, 100_000),
    (NIGHT, 0, 300, 200_000),
    (NIGHT, 1, 100, 150_000),
    (NIGHT, 7, 600, 240_001),
    (NIGHT + timedelta(minutes=15), 0, 500, -50_000),
]


@pytest.fixture
def environment() -> dict[str, str]:
    return {"GRIDTRACE_TRADING": "continuous"}


async def store_trades(market: Market) -> None:
    """Trades as the engine stores them, between the same two orders."""
    async with market.client(ALICE_KEY) as alice, market.client(BOB_KEY) as bob:
        await alice.post_order(BID)
        await bob.post_order(replace(BID, side="sell"))
    for number, (start, minutes, energy_wh, price) in enumerate(TRADES):
        await market.execute(
            "insert into trading.trades (trade_number, kind, sequence, zone, sell_zone, delivery_start, buy_order,"
            " sell_order, buyer, seller, energy_wh, price_per_kwh, fee_per_kwh, delivered_wh, executed_at)"
            " select $1, 'continuous', 1, 1, 1, $2, b.digest, s.digest, b.trader, s.trader, $3, $4, 20000, $3, $5"
            " from trading.orders b, trading.orders s where b.side = 'buy' and s.side = 'sell'",
            number,
            start,
            energy_wh,
            price,
            start - timedelta(hours=1) + timedelta(minutes=minutes),
        )


@pytest.fixture
async def traded(market: Market) -> Market:
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    await store_trades(market)
    return market


async def get(market: Market, path: str, **query: str) -> Any:
    async with market.http() as http:
        response = await http.get(f"/v1/markets/{ZONE}/{path}", params=query)
    return response.json()


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def candle(start: datetime, *values: int) -> dict[str, Any]:
    names = ("open_per_kwh", "high_per_kwh", "low_per_kwh", "close_per_kwh", "vwap_per_kwh", "energy_wh")
    return {"start": stamp(start), **dict(zip(names, map(str, values[:-1]), strict=True)), "trades": values[-1]}


async def test_candles__by_slot_and_day__have_first_last_extremes_and_mean(traded: Market) -> None:
    slots = await get(traded, "candles", interval="slot", start=stamp(NIGHT), end=stamp(NIGHT + timedelta(hours=1)))
    days = await get(traded, "candles", interval="day")

    # (300 * 200000 + 100 * 150000 + 600 * 240001) / 1000 = 219000.6
    assert slots["items"] == [
        candle(NIGHT, 200_000, 240_001, 150_000, 240_001, 219_001, 1_000, 3),
        candle(NIGHT + timedelta(minutes=15), -50_000, -50_000, -50_000, -50_000, -50_000, 500, 1),
    ]
    midnight = NIGHT + timedelta(minutes=15)
    # (1000 * 100000 + 219000600) / 2000 = 159500.3
    assert days["items"] == [
        candle(midnight - timedelta(days=1), 100_000, 240_001, 100_000, 240_001, 159_500, 2_000, 4),
        candle(midnight, -50_000, -50_000, -50_000, -50_000, -50_000, 500, 1),
    ]


async def test_candles__of_one_slot__go_by_when_its_trades_were_made(traded: Market) -> None:
    found = await get(traded, "candles", interval="5m", delivery_start=stamp(NIGHT))

    made = NIGHT - timedelta(hours=1)
    assert found["items"] == [
        candle(made, 200_000, 200_000, 150_000, 150_000, 187_500, 400, 2),
        candle(made + timedelta(minutes=5), 240_001, 240_001, 240_001, 240_001, 240_001, 600, 1),
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"interval": "5m"},
        {"interval": "day", "delivery_start": stamp(NIGHT)},
        {"start": stamp(NIGHT), "end": stamp(NIGHT)},
        {"start": stamp(NIGHT - timedelta(days=9)), "end": stamp(NIGHT)},
    ],
)
async def test_candles__range_that_makes_no_sense_or_is_too_long__is_refused(
    market: Market, query: dict[str, str]
) -> None:
    found = await get(market, "candles", **query)
    assert (found["status"], found["code"]) == (422, "range")


async def test_statistics__of_days__count_trades_people_and_what_came_from_here(traded: Market) -> None:
    await traded.execute(
        "insert into trading.settlements (zone, zones, delivery_start, version, state, trades, traded_wh, delivered_wh,"
        " imbalance_wh, grid_exchange_wh, price_local_per_kwh, price_long_per_kwh, price_short_per_kwh, grid_fee_nano,"
        " residue_nano, readings_root, result_hash)"
        " select 1, '{1}', $1, 0, 'settled', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, empty, empty"
        " from decode(repeat('00', 32), 'hex') as empty",
        NIGHT,
    )
    await traded.execute(
        "insert into trading.settlement_accounts (settlement_id, account, bought_wh, sold_wh, injection_wh,"
        " withdrawal_wh, imbalance_wh, netted_wh, trade_money_nano, grid_fee_nano, imbalance_money_nano, state)"
        " select settlement_id, decode(repeat('00', 20), 'hex'), 0, 0, 7, 8000, 0, 0, 0, 0, 0, 'metered'"
        " from trading.settlements"
    )
    found = await get(traded, "statistics", end=stamp(NIGHT + timedelta(hours=2)))

    before, after = found["items"]
    assert (before["trades"], before["energy_wh"], before["vwap_per_kwh"]) == (4, "2000", "159500")
    assert (before["low_per_kwh"], before["high_per_kwh"]) == ("100000", "240001")
    assert (before["buyers"], before["sellers"]) == (1, 1)
    assert (before["delivered_wh"], before["withdrawal_wh"], before["self_sufficiency_ppm"]) == (
        "2000",
        "8000",
        250_000,
    )
    assert (after["trades"], after["self_sufficiency_ppm"]) == (1, None)


async def test_statistics__of_an_open_slot__do_not_count_who_is_in_it(traded: Market) -> None:
    async with traded.client(ALICE_KEY) as alice:
        sealed = (await alice.statistics())[-1]
        traded.clock.time_s = START.timestamp() - 300
        published = (await alice.statistics())[-1]
    assert (sealed.orders, sealed.participants) == (0, 0)
    assert (published.orders, published.participants) == (2, 2)


@asynccontextmanager
async def matching(market: Market) -> AsyncIterator[Any]:
    """The engine, one step at each call."""
    rules = replace(MarketRules.read(Environment({})), trading="continuous")
    async with open_pool(market.database_url, size=2) as pool:
        matcher = Matcher(rules, [alone(ZONE, rules.grid_fee_per_kwh)])
        yield lambda: matcher.follow(pool, market.clock.now_s())


async def test_book__of_a_continuous_market__shows_levels_best_first(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    query = {"delivery_start": stamp(START)}
    async with market.client(ALICE_KEY) as alice, market.client(BOB_KEY) as bob, matching(market) as step:
        await alice.sign_in()
        empty = await get(market, "book", **query)
        for lane, price, energy_wh in ((1, 200_000, 500), (2, 210_000, 300), (3, 200_000, 100)):
            terms = replace(BID, lane=lane, limit_price_per_kwh=price, energy_wh=energy_wh)
            await alice.post_order(terms)
        hidden = replace(BID, side="sell", limit_price_per_kwh=260_000, asking={"display_wh": "50"})
        await bob.post_order(hidden)
        await step()
        shown = await get(market, "book", **query)
        crossing = replace(BID, lane=9, limit_price_per_kwh=300_000, energy_wh=400)
        taken = await alice.post_order(crossing)
        await step()
        after = await get(market, "book", **query)
        trades = await get(market, "trades", **query)
        filled = await alice.order(taken.order_id)
    assert (empty["sealed"], empty["revision"], empty["bids"], empty["orders"]) == (False, 0, [], [])
    assert [(level["price_per_kwh"], level["energy_wh"], level["orders"]) for level in shown["bids"]] == [
        ("210000", "300", 1),
        ("200000", "600", 2),
    ]
    assert [(level["price_per_kwh"], level["energy_wh"]) for level in shown["asks"]] == [("260000", "50")]
    assert after["revision"] > shown["revision"]
    assert [(trade["kind"], trade["energy_wh"], trade["price_per_kwh"]) for trade in trades["items"]]
    assert filled.matched_wh == 400


async def test_cancel_order__continuous__is_cancelling_until_the_engine_has_come_to_it(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    async with market.client(ALICE_KEY) as alice, matching(market) as step:
        await alice.sign_in()
        order = await alice.post_order(BID)
        await step()
        assert (await alice.cancel_order(order.order_id)).status == "cancelling"
        assert [one.state for one in await alice.cancel_orders([order.order_id])] == ["cancelling"]
        await step()
        assert (await alice.cancel_order(order.order_id)).status == "cancelled"
        assert (await alice.balances()).locked == 0
