"""One simulated market: forecasts, orders, auction, metered delivery and imbalance, slot by slot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from node.config import MarketRules
from node.market.auction import AuctionResult, Book, Side, clear
from node.settlement.columns import MeterColumns, TradeColumns, settle
from node.settlement.imbalance import imbalance_prices
from node.simulation.population import Int64s, Population
from node.simulation.strategy import Lesson, Reservations, Strategy

Forecast = Literal["perfect", "yesterday"]

PERCENT: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class SlotResult:
    """What one slot came to. Money is nano-currency, energy Wh, prices micro-currency per kWh."""

    start_s: int
    price_per_kwh: int | None
    traded_wh: int
    delivered_wh: int
    netted_wh: int
    """Imbalances that covered each other."""
    grid_import_wh: int
    grid_export_wh: int
    load_wh: int
    production_wh: int
    best_wh: int
    """The most that could have been exchanged locally, known afterwards."""
    gain_nano: int
    """Value less cost and fee of the energy exchanged by trade."""
    best_gain_nano: int
    """The same had everyone been truthful and known his meter beforehand."""
    money_nano: Int64s
    """By participant: what he received in all, negative where he paid."""
    grid_money_nano: int
    fee_nano: int


def reservations(count: int, rules: MarketRules, spread_percent: int, rng: np.random.Generator) -> Reservations:
    """Limits beyond which the grid is better: its prices, with a personal preference for local energy on top.

    A buyer adds up to ``spread_percent`` to what the grid charges, a seller gives up as much of what the grid pays.
    """
    charged, paid = rules.price_short_per_kwh, rules.price_long_per_kwh
    value = charged + rng.integers(0, abs(charged) * spread_percent // PERCENT, count, endpoint=True)
    cost = paid - rng.integers(0, abs(paid) * spread_percent // PERCENT, count, endpoint=True)
    return Reservations(
        value_per_kwh=value // rules.tick_per_kwh * rules.tick_per_kwh,
        cost_per_kwh=cost // rules.tick_per_kwh * rules.tick_per_kwh,
        buy_floor_per_kwh=paid + rules.grid_fee_per_kwh,
        sell_ceiling_per_kwh=charged - rules.grid_fee_per_kwh,
    )


def play(
    population: Population, strategy: Strategy, limits: Reservations, rules: MarketRules, forecast: Forecast
) -> Iterator[SlotResult]:
    """Plays every slot in turn; the strategy learns from each auction before the next."""
    net_wh, per_day = population.net_wh, population.first_slot
    for row in range(per_day, len(net_wh)):
        expected_wh = net_wh[row] if forecast == "perfect" else net_wh[row - per_day]
        buyers, sellers = np.flatnonzero(expected_wh > 0), np.flatnonzero(expected_wh < 0)
        tick = rules.tick_per_kwh
        book = _book(
            expected_wh, buyers, strategy.bids(buyers) // tick * tick, sellers, strategy.offers(sellers) // tick * tick
        )
        result = clear(book, rules.grid_fee_per_kwh)
        if result.price_per_kwh is not None:
            bought_all = result.buy_fills_wh == book.buys.quantity_wh
            sold_all = result.sell_fills_wh == book.sells.quantity_wh
            fee = rules.grid_fee_per_kwh
            strategy.learn(Lesson(result.price_per_kwh, fee, buyers, bought_all, sellers, sold_all))
        yield _settled(population, row, result, buyers, sellers, limits, rules)


def _book(expected_wh: Int64s, buyers: Int64s, bids: Int64s, sellers: Int64s, offers: Int64s) -> Book:
    """Sequence numbers are the participants' own: everyone is on one side only."""
    return Book(
        Side.from_columns(buyers + 1, expected_wh[buyers], bids, np.zeros_like(buyers)),
        Side.from_columns(sellers + 1, -expected_wh[sellers], offers, np.zeros_like(sellers)),
    )


def _settled(
    population: Population,
    row: int,
    result: AuctionResult,
    buyers: Int64s,
    sellers: Int64s,
    limits: Reservations,
    rules: MarketRules,
) -> SlotResult:
    net_wh = population.net_wh[row]
    trades = _trades(result, buyers, sellers, rules.grid_fee_per_kwh)
    meters = MeterColumns(np.maximum(-net_wh, 0), np.maximum(net_wh, 0), np.zeros(len(net_wh), dtype=np.bool_))
    prices = imbalance_prices(result.price_per_kwh, rules.price_long_per_kwh, rules.price_short_per_kwh)
    settled = settle(trades, meters, prices)
    needed_wh, spare_wh = int(net_wh[net_wh > 0].sum()), -int(net_wh[net_wh < 0].sum())
    return SlotResult(
        start_s=population.start_s + (row - population.first_slot) * population.slot_s,
        price_per_kwh=result.price_per_kwh,
        traded_wh=result.matched_wh,
        delivered_wh=int(settled.delivered_wh.sum()),
        netted_wh=int(settled.netted_wh[settled.imbalance_wh > 0].sum()),
        grid_import_wh=max(0, needed_wh - spare_wh),
        grid_export_wh=max(0, spare_wh - needed_wh),
        load_wh=int(population.load_wh[row].sum()),
        production_wh=int(population.production_wh[row].sum()),
        best_wh=min(needed_wh, spare_wh),
        gain_nano=_gain(trades, settled.delivered_wh, limits),
        best_gain_nano=_best_gain(net_wh, limits, rules.grid_fee_per_kwh),
        money_nano=settled.money_nano,
        grid_money_nano=settled.grid_money_nano,
        fee_nano=int(settled.grid_fee_nano.sum()),
    )


def _trades(result: AuctionResult, buyers: Int64s, sellers: Int64s, fee_per_kwh: int) -> TradeColumns:
    """Everybody has one order, named by his own number."""
    pairs = result.trades
    buyer, seller = buyers[pairs.buy], sellers[pairs.sell]
    price = np.full(len(buyer), result.price_per_kwh or 0, dtype=np.int64)
    fee = np.full(len(buyer), fee_per_kwh, dtype=np.int64)
    return TradeColumns(buyer, seller, buyer, seller, pairs.energy_wh, price, fee, np.zeros_like(price))


def _gain(trades: TradeColumns, delivered_wh: Int64s, limits: Reservations) -> int:
    worth = limits.value_per_kwh[trades.buyer] - limits.cost_per_kwh[trades.seller] - trades.fee_per_kwh
    return int((worth * delivered_wh).sum())


def _best_gain(net_wh: Int64s, limits: Reservations, fee_per_kwh: int) -> int:
    buyers, sellers = np.flatnonzero(net_wh > 0), np.flatnonzero(net_wh < 0)
    values, costs = limits.value_per_kwh[buyers], limits.cost_per_kwh[sellers]
    best = clear(_book(net_wh, buyers, values, sellers, costs), fee_per_kwh)
    paid = int((best.buy_fills_wh * values).sum()) - int((best.sell_fills_wh * costs).sum())
    return paid - fee_per_kwh * best.matched_wh
