"""What must hold for every slot, whatever was traded and metered."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from node.settlement.delivery import Metered, deliver
from node.settlement.imbalance import largest_remainder, settle_imbalance
from node.settlement.netting import BUY, SELL, Means, Part, adjusted, charge, net, owing
from tests.property.node.settlement.slots import ACCOUNTS, GRID, Slot, slots

NOBODY = Metered(0, 0)


@given(slots())
def test_deliver__any_slot__stays_within_trade_injection_and_withdrawal(slot: Slot) -> None:
    deliveries = deliver(slot.trades, slot.metered)
    sent: Counter[bytes] = Counter()
    taken: Counter[bytes] = Counter()
    for delivery in deliveries:
        assert 0 <= delivery.delivered_wh <= delivery.trade.energy_wh
        sent[delivery.trade.seller] += delivery.delivered_wh
        taken[delivery.trade.buyer] += delivery.delivered_wh
    for account in ACCOUNTS:
        meter = slot.metered.get(account, NOBODY)
        assert sent[account] <= (0 if meter.missing else meter.injection_wh)
        assert taken[account] <= (0 if meter.missing else meter.withdrawal_wh)
    assert [delivery.trade for delivery in deliveries] == list(slot.trades)


@given(slots())
def test_deliver__any_slot__leaves_no_trade_that_both_sides_could_still_deliver(slot: Slot) -> None:
    deliveries = deliver(slot.trades, slot.metered)
    for delivery in deliveries:
        if delivery.delivered_wh == delivery.trade.energy_wh:
            continue
        seller, buyer = delivery.trade.seller, delivery.trade.buyer
        sent = sum(item.delivered_wh for item in deliveries if item.trade.seller == seller)
        taken = sum(item.delivered_wh for item in deliveries if item.trade.buyer == buyer)
        source, sink = slot.metered.get(seller, NOBODY), slot.metered.get(buyer, NOBODY)
        exhausted = source.missing or sent == source.injection_wh or sink.missing or taken == sink.withdrawal_wh
        assert exhausted


@given(slots())
def test_settle_imbalance__any_slot__money_sums_to_zero_with_grid_and_fee(slot: Slot) -> None:
    deliveries = deliver(slot.trades, slot.metered)
    result = settle_imbalance(deliveries, slot.metered, slot.prices)
    assert sum(line.trade_money_nano for line in result.lines) == 0
    assert sum(line.imbalance_money_nano for line in result.lines) + result.grid_money_nano == 0
    assert sum(line.grid_fee_nano for line in result.lines) == sum(item.fee_nano for item in deliveries)
    assert sum(line.imbalance_wh for line in result.lines) == result.grid_exchange_wh


@given(slots())
def test_settle_imbalance__any_slot__is_worth_between_long_and_short(slot: Slot) -> None:
    result = settle_imbalance(deliver(slot.trades, slot.metered), slot.metered, slot.prices)
    for line in result.lines:
        bounds = sorted((line.imbalance_wh * slot.prices.long_per_kwh, line.imbalance_wh * slot.prices.short_per_kwh))
        assert bounds[0] <= line.imbalance_money_nano <= bounds[1]
        assert 0 <= line.netted_wh <= abs(line.imbalance_wh)
        if line.imbalance_wh == 0 or line.missing:
            assert line.imbalance_money_nano == 0


@given(slots())
def test_settle_imbalance__any_slot__nets_long_against_short_exactly(slot: Slot) -> None:
    result = settle_imbalance(deliver(slot.trades, slot.metered), slot.metered, slot.prices)
    long = [line for line in result.lines if line.imbalance_wh > 0]
    short = [line for line in result.lines if line.imbalance_wh < 0]
    netted_wh = sum(line.netted_wh for line in long)
    assert netted_wh == sum(line.netted_wh for line in short)
    assert netted_wh == min(sum(line.imbalance_wh for line in long), -sum(line.imbalance_wh for line in short))


@given(slots(), st.booleans())
def test_net__any_slot__residue_is_bounded_and_energy_balances(slot: Slot, grid_trades: bool) -> None:
    grid = ACCOUNTS[0] if grid_trades else GRID
    deliveries = deliver(slot.trades, slot.metered)
    imbalance = settle_imbalance(deliveries, slot.metered, slot.prices)
    netting = net([deliveries], imbalance, grid)
    entries = len(netting.fills) + len(netting.adjustments)
    assert 0 <= netting.residue_nano < max(1, entries) * 1_000
    buys = [fill for fill in netting.fills if fill.side == BUY]
    sells = [fill for fill in netting.fills if fill.side == SELL]
    assert sum(fill.delivered_wh for fill in buys) == sum(fill.delivered_wh for fill in sells)
    assert sum(fill.fill_wh for fill in buys) == sum(fill.fill_wh for fill in sells)
    paid = sum(fill.money for fill in buys) - sum(fill.money for fill in sells)
    assert paid - sum(money for _, money in netting.adjustments) == netting.fee


@given(slots())
def test_net__any_slot__nobody_is_off_by_more_than_rounding(slot: Slot) -> None:
    deliveries = deliver(slot.trades, slot.metered)
    imbalance = settle_imbalance(deliveries, slot.metered, slot.prices)
    netting = net([deliveries], imbalance, GRID)
    moved = Counter(dict(netting.adjustments))
    entries: Counter[bytes] = Counter(ACCOUNTS)
    for fill in netting.fills:
        moved[fill.trader] += fill.money if fill.side == SELL else -fill.money
        entries[fill.trader] += 1
    for line in imbalance.lines:
        exact = line.trade_money_nano - line.grid_fee_nano - line.rent_nano + line.imbalance_money_nano
        assert 0 <= exact - moved[line.account] * 1_000 < entries[line.account] * 1_000


@given(slots(), st.data())
def test_adjusted__any_means__charges_within_caps_and_books_the_rest_to_the_grid(
    slot: Slot, data: st.DataObject
) -> None:
    deliveries = deliver(slot.trades, slot.metered)
    netting = net([deliveries], settle_imbalance(deliveries, slot.metered, slot.prices), GRID)
    part = netting.parts[0] if netting.parts else Part()
    amount = st.integers(-10, 3_000)
    caps = {account: data.draw(st.builds(Means, amount, amount, amount)).cap for account in owing(part, GRID)}
    charges = charge(part, caps)
    before, after = dict(part.adjustments), dict(adjusted(part, charges, GRID))
    assert sum(after.values()) == sum(before.values())
    for account, money in before.items():
        if account == GRID:
            assert after.get(GRID, 0) == money - sum(item.shortfall for item in charges)
        elif money < 0:
            assert -after[account] == min(-money, caps[account])
        else:
            assert after[account] == money


@given(st.lists(st.integers(0, 10_000), max_size=8), st.data())
def test_largest_remainder__any_weights__shares_sum_and_stay_near_proportion(
    weights: list[int], data: st.DataObject
) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    shares = largest_remainder(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert 0 <= share <= weight
        assert abs(share * sum(weights) - total * weight) < max(1, sum(weights))
