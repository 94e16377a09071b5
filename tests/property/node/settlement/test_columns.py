"""Settled as columns or trade by trade, a slot comes to the same numbers."""

import numpy as np
import pytest
from hypothesis import given

from node.settlement import columns
from node.settlement.columns import MeterColumns, TooLarge, TradeColumns
from node.settlement.delivery import Metered
from node.settlement.imbalance import Prices
from node.settlement.netting import BUY
from node.settlement.outcome import settle
from tests.property.node.settlement.slots import ACCOUNTS, GRID, Slot, slots

NOBODY = Metered(0, 0)


def as_columns(slot: Slot) -> tuple[TradeColumns, MeterColumns, dict[bytes, int], dict[bytes, int]]:
    buys = {name: at for at, name in enumerate(dict.fromkeys(trade.buy_order for trade in slot.trades))}
    sells = {name: at for at, name in enumerate(dict.fromkeys(trade.sell_order for trade in slot.trades))}
    rows = [
        (
            ACCOUNTS.index(trade.buyer),
            ACCOUNTS.index(trade.seller),
            buys[trade.buy_order],
            sells[trade.sell_order],
            trade.energy_wh,
            trade.price_per_kwh,
            trade.fee_per_kwh,
            trade.rent_per_kwh,
        )
        for trade in slot.trades
    ]
    meters = [slot.metered.get(account, NOBODY) for account in ACCOUNTS]
    seen = MeterColumns(
        np.array([meter.injection_wh for meter in meters]),
        np.array([meter.withdrawal_wh for meter in meters]),
        np.array([meter.missing for meter in meters]),
    )
    return TradeColumns(*np.array(rows, dtype=np.int64).reshape(-1, 8).T), seen, buys, sells


@given(slots())
def test_settle__any_slot__is_what_comes_of_it_trade_by_trade(slot: Slot) -> None:
    outcome = settle(1, 900, 0, slot.trades, slot.metered, slot.prices, bytes(32), GRID)
    trades, meters, buys, sells = as_columns(slot)
    found = columns.settle(trades, meters, slot.prices)
    assert found.delivered_wh.tolist() == [item.delivered_wh for item in outcome.deliveries]
    names = ("bought_wh", "sold_wh", "imbalance_wh", "netted_wh", "trade_money_nano", "grid_fee_nano", "rent_nano")
    for line in outcome.imbalance.lines:
        at = ACCOUNTS.index(line.account)
        assert [int(getattr(found, name)[at]) for name in names] == [getattr(line, name) for name in names]
        assert found.imbalance_money_nano[at] == line.imbalance_money_nano
    assert found.grid_money_nano == outcome.imbalance.grid_money_nano
    assert len(outcome.netting.fills) == len(buys) + len(sells)
    for fill in outcome.netting.fills:
        side, at = (found.buys, buys[fill.order]) if fill.side == BUY else (found.sells, sells[fill.order])
        told = (side.fill_wh[at], side.delivered_wh[at], side.money[at])
        assert tuple(map(int, told)) == (fill.fill_wh, fill.delivered_wh, fill.money)


def test_settle__sums_beyond_64_bits__is_refused() -> None:
    one = np.array([0], dtype=np.int64)
    trades = TradeColumns(one, one + 1, one, one, one + 2**40, one + 2**30, one, one)
    meters = MeterColumns(np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.bool_))
    with pytest.raises(TooLarge, match="Wh at up to"):
        columns.settle(trades, meters, Prices(0, 0, 0))


def test_settle__netting_beyond_64_bits__is_still_exact() -> None:
    nothing = np.array([], dtype=np.int64)
    wh = np.array([2**32, 2**33, 1, 0], dtype=np.int64)
    meters = MeterColumns(wh, np.array([0, 0, 0, 2**33 + 7], dtype=np.int64), np.zeros(4, dtype=np.bool_))
    found = columns.settle(TradeColumns(*[nothing] * 8), meters, Prices(10, 5, 20))
    metered = {ACCOUNTS[at]: Metered(int(wh[at]), int(meters.withdrawal_wh[at])) for at in range(4)}
    outcome = settle(1, 900, 0, [], metered, Prices(10, 5, 20), bytes(32), GRID)
    assert found.netted_wh.tolist() == [line.netted_wh for line in outcome.imbalance.lines]
