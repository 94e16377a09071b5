from node.settlement.delivery import deliver
from node.settlement.imbalance import Prices, settle_imbalance
from node.settlement.netting import BUY, SELL, Means, Netting, Part, adjusted, cash_after_fills, charge, net, owing
from tests.unit.node.settlement.slot import account, metered, trade

GRID = account("g")
PRICES = Prices(100_000, 60_000, 320_000)


def netting(price: int = 100_001) -> Netting:
    trades = [trade(0, "s", "b", 501, price, 20_001), trade(1, "s", "c", 333, price, 20_001)]
    meters = metered(s=(834, 0), b=(0, 501), c=(0, 400))
    deliveries = deliver(trades, meters)
    return net([deliveries], settle_imbalance(deliveries, meters, PRICES), GRID)


def part() -> Part:
    (only,) = netting().parts
    return only


def test_net__orders__buyers_are_rounded_up_and_sellers_down() -> None:
    fills = {fill.trader: fill for fill in netting().fills}
    # 501 Wh at 100,001 + 20,001 micro per kWh is 60,121.002 cash units.
    assert (fills[account("b")].money, fills[account("b")].delivered_wh) == (60_122, 501)
    assert fills[account("s")].money == 100_001 * 834 // 1_000
    assert [fill.side for fill in netting().fills] == [SELL, BUY, BUY]


def test_net__negative_price__turns_the_payment_round() -> None:
    fills = {fill.trader: fill.money for fill in netting(-50_000).fills}
    assert fills[account("s")] == -41_700
    # -50,000 + 20,001 on 501 Wh, rounded in favour of the pool.
    assert fills[account("b")] == -15_029


def test_net__short_account__owes_and_the_grid_receives() -> None:
    assert dict(netting().adjustments) == {account("c"): -21_440, GRID: 21_440}
    assert owing(part(), GRID) == {account("c"): 21_440}


def test_charge__cap_below_debt__leaves_the_shortfall_to_the_grid() -> None:
    charges = charge(part(), {account("c"): 20_000})
    assert (charges[0].charged, charges[0].shortfall) == (20_000, 1_440)
    assert dict(adjusted(part(), charges, GRID)) == {account("c"): -20_000, GRID: 20_000}


def test_charge__nothing_chargeable__keeps_the_entry_and_moves_nothing() -> None:
    charges = charge(part(), {account("c"): 0})
    assert dict(adjusted(part(), charges, GRID)) == {account("c"): 0, GRID: 0}


def test_means__cap__is_the_smallest_and_never_negative() -> None:
    assert Means(5, 4, 3).cap == 3
    assert Means(5, 4, -3).cap == 0
    assert Means(5, 4, 3, locked=1).cap == 2
    assert Means(5, 4, 3, locked=9).cap == 0


def test_cash_after_fills__buyer_and_seller__pays_and_receives() -> None:
    assert cash_after_fills(part(), account("b"), 100_000) == 100_000 - 60_122
    assert cash_after_fills(part(), account("s"), 0) == 83_400
