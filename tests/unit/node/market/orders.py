"""Orders and rules for the tests of the pure market modules."""

from dataclasses import replace
from typing import Any

from contracts.typed_data import Domain, Order, address_of, order_digest, sign
from node.config import MarketRules
from node.market.book import BookOrder
from node.market.orders import MandateState, TraderState

KEY = b"\x07" * 32
DOMAIN = Domain(31337, b"\x11" * 20)
SLOT = 1_750_000_500
GATE = SLOT - 300

RULES = MarketRules(
    slot_s=900,
    gate_lead_s=300,
    open_slots=4,
    price_min_per_kwh=-500_000,
    price_max_per_kwh=4_000_000,
    tick_per_kwh=100,
    lot_wh=10,
    grid_fee_per_kwh=20_000,
    price_long_per_kwh=60_000,
    price_short_per_kwh=320_000,
    carbon_g_per_kwh=380,
    reading_grace_s=300,
    reading_gap_s=1_800,
)

ORDER = Order(
    trader=address_of(KEY),
    zone=1,
    delivery_start=SLOT,
    side=0,
    energy_wh=1_000,
    limit_price_per_kwh=250_000,
    min_fill_wh=0,
    time_in_force=0,
    source=0,
    expiry=SLOT + 7_200,
    lane=3,
    nonce=5,
)

TRADER = TraderState(
    zone_known=True,
    kyc_until=SLOT + 7_200,
    flags=3,
    free_cash=1_000_000,
    nonce_floor=0,
    mandate=MandateState(budget_per_slot=1_000_000, budget_left=1_000_000, expiry=SLOT + 7_200),
    position_limit_wh=5_000,
    position_wh=0,
    open_orders=0,
    entered_orders=0,
    last_lane_nonce=-1,
    live_lane_order=None,
)


def order(**changes: Any) -> Order:
    return replace(ORDER, **changes)


def trader(**changes: Any) -> TraderState:
    return replace(TRADER, **changes)


def entry(sequence: int, **changes: Any) -> BookOrder:
    """A signed order with its place in the sequence."""
    changed = order(nonce=sequence, **changes)
    digest = order_digest(DOMAIN, changed)
    return BookOrder(sequence, digest, changed, sign(digest, KEY))
