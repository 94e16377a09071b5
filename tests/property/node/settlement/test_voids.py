"""Whatever accounts hold, what is left of a slot is what the exchange takes."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.typed_data import Order
from node.settlement.outcome import Slot
from node.settlement.voids import Exchange, Lane, Standing, judge, refusals
from tests.property.node.settlement.slots import ACCOUNTS, GRID, slots
from tests.property.node.settlement.slots import Slot as Drawn

START = 900

standings = st.builds(
    Standing,
    cash=st.integers(0, 5_000),
    energy_wh=st.integers(0, 30_000),
    min_nonce=st.sampled_from((0, 0, 7, 8)),
    cleared_until=st.sampled_from((START, START, START, 0)),
    last_slot=st.sampled_from((0, START - 900, START, START + 900)),
    last_side=st.sampled_from((0, 1)),
    filled_wh=st.integers(0, 40_000),
)
lanes = st.builds(Lane, nonce=st.integers(5, 8), filled_wh=st.integers(0, 3_000))
exchanges = st.builds(
    Exchange,
    accounts=st.fixed_dictionaries(dict.fromkeys(ACCOUNTS, standings)),
    lanes=st.dictionaries(st.tuples(st.sampled_from(ACCOUNTS), st.integers(0, 5)), lanes),
)


def order(trader: bytes, digest: bytes) -> Order:
    side, lane = digest[1], digest[2]
    return Order(trader, 1, START, side, 40_000, 0, 0, 0, 0, START, 2 * lane + side, 7)


@given(slots(), exchanges)
def test_judge__any_slot_and_exchange__leaves_what_is_taken_and_no_more_void_than_refused(
    drawn: Drawn, exchange: Exchange
) -> None:
    slot = Slot(1, START, 0, drawn.trades, drawn.metered, drawn.prices, bytes(32), GRID)
    orders = {item.buy_order: order(item.buyer, item.buy_order) for item in drawn.trades}
    orders |= {item.sell_order: order(item.seller, item.sell_order) for item in drawn.trades}

    found = judge(slot, orders, exchange)

    assert refusals(found.outcome.netting.fills, orders, exchange) == {}
    assert found.outcome == slot.settle(dict.fromkeys(found.voids, 0))
    kept = [item.trade for item in found.outcome.deliveries]
    assert all(
        (trade in kept) != bool({trade.buy_order, trade.sell_order} & found.voids.keys()) for trade in slot.trades
    )
    assert bool(found.voids) == bool(refusals(slot.settle().netting.fills, orders, exchange))
    assert judge(slot, orders, exchange) == found
