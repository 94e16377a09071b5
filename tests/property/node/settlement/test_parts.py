"""A slot in several batches: the exchange takes each, together they are the whole, and what is settled stays."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.typed_data import Domain, Order, address_of, order_digest, sign
from node.settlement.batch import SignedOrder, build
from node.settlement.delivery import Metered, Trade
from node.settlement.imbalance import Prices
from node.settlement.netting import BUY, SELL
from node.settlement.outcome import Slot, result_hash
from tests.contracts.model.exchange import Account, Exchange, Mandate, State
from tests.property.node.settlement.slots import ACCOUNTS, slots
from tests.property.node.settlement.slots import Slot as Drawn

START, FAR = 900, 2**32 - 1
KEYS = [number.to_bytes(32) for number in range(1, len(ACCOUNTS) + 2)]
PEOPLE = [address_of(key) for key in KEYS]
GRID = PEOPLE[-1]
DOMAIN = Domain(31_337, b"\x11" * 20)
SETTLER = b"\x99" * 20
RICH, MOST_FEE = 2**50, 1_000_000


def named(drawn: Drawn, most: int) -> tuple[Slot, dict[bytes, SignedOrder]]:
    """The drawn slot between people who have keys, with the orders that they signed for it."""
    who = dict(zip(ACCOUNTS, PEOPLE, strict=False))
    keys = dict(zip(PEOPLE, KEYS, strict=True))
    orders: dict[bytes, SignedOrder] = {}
    digests: dict[bytes, bytes] = {}
    for trade in drawn.trades:
        for name, account, side in ((trade.buy_order, trade.buyer, BUY), (trade.sell_order, trade.seller, SELL)):
            if name not in digests:
                limits = [item for item in drawn.trades if name in (item.buy_order, item.sell_order)]
                order = signed(who[account], side, 1 + 2 * name[2] + side, limits)
                digests[name] = order_digest(DOMAIN, order)
                orders[digests[name]] = SignedOrder(order, sign(digests[name], keys[who[account]]))
    trades = tuple(
        replace(
            trade,
            buy_order=digests[trade.buy_order],
            sell_order=digests[trade.sell_order],
            buyer=who[trade.buyer],
            seller=who[trade.seller],
        )
        for trade in drawn.trades
    )
    metered: dict[bytes, Metered] = {who[account]: meter for account, meter in drawn.metered.items()}
    slot = Slot(1, START, 0, trades, metered, drawn.prices, bytes(32), GRID, most_entries=most)
    return slot, orders


def signed(trader: bytes, side: int, lane: int, trades: list[Trade]) -> Order:
    """The narrowest order that allows its trades."""
    energy_wh = sum(trade.energy_wh for trade in trades)
    costs = [trade.price_per_kwh + trade.fee_per_kwh + trade.rent_per_kwh for trade in trades]
    limit = max(costs) if side == BUY else min(trade.price_per_kwh for trade in trades)
    return Order(trader, 1, START, side, energy_wh, limit, 0, 0, 0, FAR, lane, 1)


def exchange() -> Exchange:
    state = State(
        accounts={account: Account(cash=RICH, energy_wh=2**40, cleared_until=FAR) for account in PEOPLE},
        mandates={account: Mandate(RICH, RICH, FAR) for account in PEOPLE},
    )
    return Exchange(DOMAIN, 900, MOST_FEE, {SETTLER}, state)


@settings(max_examples=60)
@given(slots(), st.integers(3, 14))
def test_parts__any_slot__each_is_taken_by_the_exchange_and_together_they_are_the_whole(
    drawn: Drawn, most: int
) -> None:
    slot, orders = named(drawn, most)
    outcome = slot.settle()
    chain = exchange()
    for sequence, part in enumerate(outcome.netting.parts):
        assert len(part.fills) + len(part.adjustments) <= most
        chain.settle(SETTLER, START + 900, build(sequence, START, 0, part.fills, part.adjustments, orders))
    assert chain.state.fees == outcome.netting.fee
    entries: Counter[bytes] = Counter(fill.trader for fill in outcome.netting.fills)
    entries.update(account for account, _ in outcome.netting.adjustments)
    for line in outcome.accounts:
        moved = chain.state.account(line.account).cash - RICH
        exact = line.trade_money_nano - line.grid_fee_nano - line.rent_nano + line.imbalance_money_nano
        assert 0 <= exact - moved * 1_000 < max(1, entries[line.account]) * 1_000
    delivered: Counter[bytes] = Counter()
    for item in outcome.deliveries:
        delivered[item.trade.buyer] += item.delivered_wh
        delivered[item.trade.seller] -= item.delivered_wh
    assert all(chain.state.account(account).energy_wh - 2**40 == delivered[account] for account in PEOPLE)
    assert result_hash(outcome) == result_hash(replace(slot, most_entries=400).settle())


@given(slots(), st.integers(2, 6), st.data())
def test_parts__orders_fall_out_with_a_batch__leave_those_before_as_they_were(
    drawn: Drawn, most: int, data: st.DataObject
) -> None:
    slot, orders = named(drawn, most)
    whole = slot.settle()
    batch = data.draw(st.integers(0, len(whole.chunks)))
    fallen = data.draw(st.sets(st.sampled_from(sorted(orders)))) if orders else set()
    rest = slot.settle(dict.fromkeys(fallen, batch))
    before = min(batch, len(whole.chunks))
    assert rest.chunks[:before] == whole.chunks[:before]
    assert [part.fills for part in rest.netting.parts[:before]] == [part.fills for part in whole.netting.parts[:before]]
    later = [trade for chunk in rest.chunks[before:] for trade in chunk]
    assert not any({trade.buy_order, trade.sell_order} & fallen for trade in later)
    kept = {trade for chunk in rest.chunks for trade in chunk}
    settled = {trade for chunk in whole.chunks[:before] for trade in chunk}
    assert all(
        trade in settled for trade in slot.trades if {trade.buy_order, trade.sell_order} & fallen and trade in kept
    )


@given(slots(), st.integers(3, 9))
def test_parts__imbalance_in_several__takes_little_more_of_the_grid_than_in_one(drawn: Drawn, most: int) -> None:
    slot, _ = named(drawn, most)
    outcome = slot.settle()
    owed = {line.account: line.imbalance_money_nano for line in outcome.imbalance.lines if line.account != GRID}
    largest = max((abs(money) for money in owed.values()), default=0)
    taken = -sum(min(0, money) for account, money in outcome.netting.adjustments if account == GRID)
    parts = len(outcome.netting.parts)
    assert taken * 1_000 <= max(0, sum(owed.values())) + parts * (2 * largest + 1_000)


def test_parts__prices__are_within_long_and_short() -> None:
    slot, _ = named(Drawn((), {ACCOUNTS[0]: Metered(5, 0)}, Prices(1, 1, 2)), 3)
    (part,) = slot.settle().netting.parts
    assert dict(part.adjustments) == {PEOPLE[0]: 0, GRID: -1}
