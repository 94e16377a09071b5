"""A slot's settlement on whole columns, for markets of many trades: the same rules and the same numbers to the nano.

Accounts and orders are numbered from 0, accounts in the order of their addresses: of equal remainders the earlier
account's is rounded up. Whole numbers of 64 bits hold every sum: what might exceed them is refused before anything is
computed, and can be settled trade by trade.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from contracts.units import NANO_PER_CASH
from node.settlement.imbalance import Prices, largest_remainder

Int64s: TypeAlias = npt.NDArray[np.int64]
MOST: Final = 2**62


class TooLarge(ValueError):
    """A sum of this slot may not fit 64 bits."""


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Matched pairs of orders in their sequence; prices in micro-currency per kWh."""

    buyer: Int64s
    seller: Int64s
    buy_order: Int64s
    sell_order: Int64s
    energy_wh: Int64s
    price_per_kwh: Int64s
    fee_per_kwh: Int64s
    rent_per_kwh: Int64s


@dataclass(frozen=True, slots=True)
class MeterColumns:
    """What each account's meters saw; an account that is missing is settled at its position."""

    injection_wh: Int64s
    withdrawal_wh: Int64s
    missing: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FillColumns:
    """What each order settles: Wh matched and delivered, cash units paid (buy) or received (sell)."""

    fill_wh: Int64s
    delivered_wh: Int64s
    money: Int64s


@dataclass(frozen=True, slots=True)
class SettledColumns:
    """A settled slot; of each account as in ``imbalance.Line``, money in nano-currency."""

    delivered_wh: Int64s
    bought_wh: Int64s
    sold_wh: Int64s
    imbalance_wh: Int64s
    netted_wh: Int64s
    trade_money_nano: Int64s
    grid_fee_nano: Int64s
    rent_nano: Int64s
    imbalance_money_nano: Int64s
    buys: FillColumns
    sells: FillColumns

    @property
    def money_nano(self) -> Int64s:
        """All that each account receives."""
        return self.trade_money_nano - self.grid_fee_nano - self.rent_nano + self.imbalance_money_nano

    @property
    def grid_money_nano(self) -> int:
        """What the grid account receives as everybody's counterparty."""
        return -int(self.imbalance_money_nano.sum())


def settle(trades: TradeColumns, meters: MeterColumns, prices: Prices) -> SettledColumns:
    """The slot of all accounts. Raises TooLarge."""
    _check(trades, meters, prices)
    count = len(meters.injection_wh)
    delivered_wh = deliver(trades, meters)
    value = trades.price_per_kwh * trades.energy_wh
    fee, rent = trades.fee_per_kwh * delivered_wh, trades.rent_per_kwh * trades.energy_wh
    bought_wh, sold_wh = _sums(trades.buyer, trades.energy_wh, count), _sums(trades.seller, trades.energy_wh, count)
    seen_wh = meters.injection_wh - meters.withdrawal_wh
    imbalance_wh = np.where(meters.missing, 0, seen_wh - (sold_wh - bought_wh))
    netted_wh = _net(imbalance_wh)
    rest_wh = np.abs(imbalance_wh) - netted_wh
    price = np.where(imbalance_wh >= 0, prices.long_per_kwh, prices.short_per_kwh)
    worth_nano = prices.local_per_kwh * netted_wh + price * rest_wh
    return SettledColumns(
        delivered_wh=delivered_wh,
        bought_wh=bought_wh,
        sold_wh=sold_wh,
        imbalance_wh=imbalance_wh,
        netted_wh=netted_wh,
        trade_money_nano=_sums(trades.seller, value, count) - _sums(trades.buyer, value, count),
        grid_fee_nano=_sums(trades.buyer, fee, count),
        rent_nano=_sums(trades.buyer, rent, count),
        imbalance_money_nano=np.where(imbalance_wh >= 0, worth_nano, -worth_nano),
        buys=_fills(trades.buy_order, trades.energy_wh, delivered_wh, value + fee + rent, up=True),
        sells=_fills(trades.sell_order, trades.energy_wh, delivered_wh, value, up=False),
    )


def deliver(trades: TradeColumns, meters: MeterColumns) -> Int64s:
    """What each trade delivered: the lowest grid fee first, then the earlier trade."""
    injection_wh = np.where(meters.missing, 0, meters.injection_wh).tolist()
    withdrawal_wh = np.where(meters.missing, 0, meters.withdrawal_wh).tolist()
    order = np.argsort(trades.fee_per_kwh, kind="stable")
    delivered = []
    columns = (trades.seller[order].tolist(), trades.buyer[order].tolist(), trades.energy_wh[order].tolist())
    for seller, buyer, energy_wh in zip(*columns, strict=True):
        left_wh, taken_wh = injection_wh[seller], withdrawal_wh[buyer]
        if left_wh < energy_wh:
            energy_wh = left_wh
        if taken_wh < energy_wh:
            energy_wh = taken_wh
        injection_wh[seller] -= energy_wh
        withdrawal_wh[buyer] -= energy_wh
        delivered.append(energy_wh)
    delivered_wh = np.empty(len(order), dtype=np.int64)
    delivered_wh[order] = delivered
    return delivered_wh


def _check(trades: TradeColumns, meters: MeterColumns, prices: Prices) -> None:
    energy = sum(_total(column) for column in (trades.energy_wh, meters.injection_wh, meters.withdrawal_wh))
    columns = (trades.price_per_kwh, trades.fee_per_kwh, trades.rent_per_kwh)
    of_trades = sum(int(np.abs(column).max(initial=0)) for column in columns)
    most = max(of_trades, *map(abs, (prices.local_per_kwh, prices.long_per_kwh, prices.short_per_kwh)))
    if 2 * energy * max(1, most) >= MOST:
        raise TooLarge(f"{energy} Wh at up to {most} micro-currency per kWh")


def _total(column: Int64s) -> int:
    """The sum where it fits, else a number that is too large."""
    return MOST if len(column) * int(column.max(initial=0)) >= MOST else int(column.sum())


def _sums(of: Int64s, values: Int64s, count: int) -> Int64s:
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, of, values)
    return sums


def _net(imbalance_wh: Int64s) -> Int64s:
    netted_wh = np.zeros_like(imbalance_wh)
    long, short = np.flatnonzero(imbalance_wh > 0), np.flatnonzero(imbalance_wh < 0)
    total = min(int(imbalance_wh[long].sum()), -int(imbalance_wh[short].sum()))
    for side in (long, short):
        netted_wh[side] = _shares(total, np.abs(imbalance_wh[side]))
    return netted_wh


def _shares(total: int, weights: Int64s) -> Int64s:
    """As ``imbalance.largest_remainder``."""
    if not total:
        return np.zeros_like(weights)
    if total * int(weights.max()) >= MOST:
        return np.array(largest_remainder(total, weights.tolist()), dtype=np.int64)
    shares, remainders = np.divmod(total * weights, int(weights.sum()))
    shares[np.argsort(-remainders, kind="stable")[: total - int(shares.sum())]] += 1
    return shares


def _fills(of: Int64s, energy_wh: Int64s, delivered_wh: Int64s, money_nano: Int64s, *, up: bool) -> FillColumns:
    count = int(of.max(initial=-1)) + 1
    nano = _sums(of, money_nano, count)
    money = -(-nano // NANO_PER_CASH) if up else nano // NANO_PER_CASH
    return FillColumns(_sums(of, energy_wh, count), _sums(of, delivered_wh, count), money)
