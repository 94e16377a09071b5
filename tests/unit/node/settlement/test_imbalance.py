import pytest

from node.settlement.delivery import Metered, deliver
from node.settlement.imbalance import Prices, imbalance_prices, largest_remainder, local_price, settle_imbalance
from tests.unit.node.settlement.slot import account, metered, trade

PRICES = Prices(local_per_kwh=100_000, long_per_kwh=60_000, short_per_kwh=320_000)


def test_imbalance_prices__clearing_price__is_brought_between_long_and_short() -> None:
    assert imbalance_prices(50_000, 60_000, 320_000).local_per_kwh == 60_000
    assert imbalance_prices(100_000, 60_000, 320_000).local_per_kwh == 100_000
    assert imbalance_prices(400_000, 60_000, 320_000).local_per_kwh == 320_000
    assert imbalance_prices(None, -5, 2).local_per_kwh == -2


def test_imbalance_prices__long_above_short__is_refused() -> None:
    with pytest.raises(ValueError, match="long 2 is above short 1"):
        imbalance_prices(None, 2, 1)


def test_largest_remainder__equal_remainders__go_to_the_earlier() -> None:
    assert largest_remainder(5, [3, 3, 3]) == [2, 2, 1]
    assert largest_remainder(0, [3, 3]) == [0, 0]
    with pytest.raises(ValueError, match="cannot split 4"):
        largest_remainder(4, [3])


def test_settle_imbalance__home_that_only_withdraws__pays_the_short_price() -> None:
    result = settle_imbalance((), metered(h=(0, 250)), PRICES)
    (line,) = result.lines
    assert (line.imbalance_wh, line.imbalance_money_nano) == (-250, -80_000_000)
    assert (result.grid_exchange_wh, result.grid_money_nano) == (-250, 80_000_000)


def test_settle_imbalance__long_and_short__net_locally_first() -> None:
    # Sold 500, fed in 700: long 200. Bought 500, took 650: short 150.
    meters = metered(s=(700, 0), b=(0, 650))
    result = settle_imbalance(deliver([trade(0, "s", "b", 500)], meters), meters, PRICES)
    buyer, seller = result.lines
    assert (seller.imbalance_wh, seller.netted_wh) == (200, 150)
    assert seller.imbalance_money_nano == 150 * 100_000 + 50 * 60_000
    assert (buyer.imbalance_wh, buyer.netted_wh, buyer.imbalance_money_nano) == (-150, 150, -150 * 100_000)
    assert result.grid_money_nano == -50 * 60_000


def test_settle_imbalance__missing_meter__is_settled_at_its_position() -> None:
    meters = metered(s=(500, 0)) | {account("b"): Metered(9, 9, missing=True)}
    result = settle_imbalance(deliver([trade(0, "s", "b", 500)], meters), meters, PRICES)
    buyer = result.lines[0]
    assert (buyer.missing, buyer.imbalance_wh, buyer.withdrawal_wh, buyer.bought_wh) == (True, 0, 0, 500)
    assert buyer.trade_money_nano == -50_000_000


def test_settle_imbalance__trader_without_meter__is_out_of_balance_by_his_whole_position() -> None:
    meters = metered(b=(0, 500))
    result = settle_imbalance(deliver([trade(0, "s", "b", 500)], meters), meters, PRICES)
    assert [line.imbalance_wh for line in result.lines] == [0, -500]


def test_local_price__one_auction__is_its_price() -> None:
    assert local_price([150_000], [trade(0, "s", "b", 10, price=150_000)]) == 150_000
    assert local_price([150_000, None, 150_000], []) == 150_000


def test_local_price__no_auction_or_several_prices__is_the_mean_of_the_trades_by_energy() -> None:
    trades = [trade(0, "s", "b", 10, price=100_001), trade(1, "s", "b", 20, price=200_000)]
    assert local_price([None], trades) == (10 * 100_001 + 20 * 200_000) // 30
    assert local_price([100_001, 200_000], trades) == local_price([None], trades)
    assert local_price([None], [trade(0, "s", "b", 3, price=-10)]) == -10


def test_local_price__one_lot_in_the_closing_auction__does_not_set_the_price_of_all() -> None:
    trades = [trade(0, "s", "b", 999, price=90_000), trade(1, "s", "b", 1, price=4_000_000)]
    assert local_price([4_000_000], trades) == (999 * 90_000 + 4_000_000) // 1_000


def test_local_price__nothing_traded__is_none() -> None:
    assert local_price([None], []) is None
