"""A delivery slot from its gate to the ledger, as one line."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.rest.fields import Answer, Hash, Instant, Natural, Whole
from node.config import MarketRules
from node.market.orders import gate_opens_at


class Slot(Answer):
    """``state``: upcoming, open, closed, cleared, delivering, metering, then the settlement's: computed, attested,
    submitted, settled or failed. ``differences`` is what the auditor found; null until it has looked."""

    zone: int
    delivery_start: Instant
    opens_at: Instant
    gate_closes_at: Instant
    state: str
    order_count: int
    clearing_price_per_kwh: Whole | None
    matched_wh: Natural | None
    delivered_wh: Natural | None
    imbalance_wh: Natural | None
    gas_used: int | None
    trades: int | None
    transaction_hash: Hash | None
    differences: int | None


def state_of(row: Mapping[str, Any], rules: MarketRules, now: datetime) -> str:
    """Where the slot stands."""
    start: datetime = row["delivery_start"]
    gate = start - timedelta(seconds=rules.gate_lead_s)
    if row["settlement_state"] is not None:
        return str(row["settlement_state"])
    if now < gate:
        return "open" if now >= _opens_at(start, rules) else "upcoming"
    if not row["auctioned"]:
        return "closed"
    if now < start:
        return "cleared"
    return "delivering" if now < start + timedelta(seconds=rules.slot_s) else "metering"


def _opens_at(start: datetime, rules: MarketRules) -> datetime:
    return datetime.fromtimestamp(gate_opens_at(rules, int(start.timestamp())), UTC)


def slot_of(row: Mapping[str, Any], rules: MarketRules, now: datetime) -> Slot:
    """A row of the slots query as it is told."""
    gate = row["delivery_start"] - timedelta(seconds=rules.gate_lead_s)
    times = {
        "opens_at": _opens_at(row["delivery_start"], rules),
        "gate_closes_at": gate,
        "state": state_of(row, rules, now),
    }
    return Slot.model_validate({**row, **times})
