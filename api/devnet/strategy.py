"""How a participant of the devnet guesses his energy and picks his limit. Pure: draws come in as numbers in [0, 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
RECENT_SLOTS: Final = 3
YESTERDAY_WEIGHT: Final = 3
RECENT_WEIGHT: Final = 2
TREND_SHARE: Final = 2


@dataclass(frozen=True, slots=True)
class PriceFrame:
    """What the market's rules say about prices, in micro-currency per kWh."""

    long_per_kwh: int
    short_per_kwh: int
    grid_fee_per_kwh: int
    tick_per_kwh: int


def forecast_wh(history: Mapping[int, int], delivery_start: int, slot_s: int, default_wh: int) -> int:
    """Energy of a coming slot from what one's meter measured, by delivery start.

    The same quarter of yesterday weighs with the newest slots; without yesterday the newest slots and half of their
    trend decide; without any history ``default_wh``.
    """
    if not history:
        return default_wh
    newest = sorted(start for start in history if start > max(history) - RECENT_SLOTS * slot_s)
    recent = sum(history[start] for start in newest) // len(newest)
    yesterday = history.get(delivery_start - DAY_S)
    if yesterday is not None:
        return (YESTERDAY_WEIGHT * yesterday + RECENT_WEIGHT * recent) // (YESTERDAY_WEIGHT + RECENT_WEIGHT)
    trend = (history[newest[-1]] - history[newest[0]]) // TREND_SHARE if len(newest) > 1 else 0
    return max(0, history[newest[-1]] + trend)


def bid_limit_per_kwh(prices: PriceFrame, eagerness: float) -> int:
    """A consumer's limit, grid fee included: between what the grid pays plus the fee, and what the grid charges."""
    low = prices.long_per_kwh + prices.grid_fee_per_kwh
    return on_tick(low + int((prices.short_per_kwh - low) * eagerness), prices.tick_per_kwh)


def offer_limit_per_kwh(prices: PriceFrame, greed: float) -> int:
    """A producer's limit: between what the grid pays and half-way to what the grid charges."""
    middle = (prices.long_per_kwh + prices.short_per_kwh) // 2
    return on_tick(prices.long_per_kwh + int((middle - prices.long_per_kwh) * greed), prices.tick_per_kwh)


def on_tick(price_per_kwh: int, tick_per_kwh: int) -> int:
    """The price, rounded down to the tick."""
    return price_per_kwh // tick_per_kwh * tick_per_kwh
