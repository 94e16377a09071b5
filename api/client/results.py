"""Answers of the API as values. Energy in Wh, prices in micro-currency per kWh, cash in payment-token units.

Addresses and hashes are 0x text as the API writes them. Fields that a newer API adds are ignored.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct


class ExchangeDomain(Struct, frozen=True):
    name: str
    version: str
    chain_id: int
    verifying_contract: str


class Contracts(Struct, frozen=True):
    chain_id: int
    contracts: dict[str, str]
    exchange_domain: ExchangeDomain
    payment_token_domain: ExchangeDomain


class Session(Struct, frozen=True):
    session_token: str
    account: str
    role: str
    expires_at: datetime


class Clock(Struct, frozen=True):
    now: datetime
    rate: float
    slot_s: int


class Status(Struct, frozen=True):
    clock: Clock
    differences: int
    rules: dict[str, Any]
    counts: dict[str, int]


class Accepted(Struct, frozen=True):
    """The request became a transaction of the outbox; ``Client.transaction`` tells how far it is."""

    outbox_id: int


class Permit(Struct, frozen=True):
    """What a permit for a deposit must be signed over (ERC-2612)."""

    token: ExchangeDomain
    owner: str
    spender: str
    value: int
    nonce: int
    deadline: datetime


class Transaction(Struct, frozen=True):
    outbox_id: int
    kind: str
    state: str
    transaction_hash: str | None
    block_number: int | None
    error: str | None


class Mandate(Struct, frozen=True):
    budget_per_slot: int
    budget: int
    expiry: datetime
    nonce: int


class Balances(Struct, frozen=True):
    account: str
    cash: int
    energy_wh: int
    locked: int
    available: int
    mandate: Mandate | None


class Participant(Struct, frozen=True):
    account: str
    roles: list[str]
    kyc_until: datetime
    country: int


class Meter(Struct, frozen=True):
    meter_id: int
    owner: str
    kind: str
    zone: int
    driver: str
    active: bool
    faults: list[str] = []
    last_reading_at: datetime | None = None


class MeterKey(Struct, frozen=True):
    """A key that signs a meter's readings, or did until ``until``."""

    key: str
    until: datetime | None


class RotatedKey(Struct, frozen=True):
    """The key that signs from now on; ``outbox_id`` tells the chain."""

    key: str
    outbox_id: int | None


class MeterFault(Struct, frozen=True):
    """What is or was wrong with a meter; open while ``until`` is None."""

    kind: str
    since: datetime
    until: datetime | None
    last_seen: datetime
    times: int
    evidence: dict[str, Any]


class Baseline(Struct, frozen=True):
    """What is added to a device's registers, in Wh."""

    meter_id: int
    serial: str
    import_base_wh: int
    export_base_wh: int


class SlotEnergy(Struct, frozen=True):
    delivery_start: datetime
    import_wh: int
    export_wh: int
    state: str


class Slot(Struct, frozen=True):
    """A delivery slot: ``state`` is upcoming, open, closed, cleared or a settlement's state."""

    zone: int
    delivery_start: datetime
    opens_at: datetime
    gate_closes_at: datetime
    state: str
    clearing_price_per_kwh: int | None
    matched_wh: int | None


class Order(Struct, frozen=True):
    order_id: str
    sequence: int
    status: str
    received_at: datetime
    side: str
    zone: int
    delivery_start: datetime
    energy_wh: int
    limit_price_per_kwh: int
    matched_wh: int
    lane: int
    nonce: int
    min_fill_wh: int = 0
    time_in_force: str = "good_till_gate"
    source: str = "any"
    locked_cash: int = 0
    post_only: bool = False
    display_wh: int = 0
    self_trade: str = "cancel_newest"
    good_till: datetime | None = None
    replaces: str | None = None
    block: str | None = None
    close_reason: str | None = None


class OrderResult(Struct, frozen=True):
    """``status`` as HTTP has it for a single order; ``order`` where it was accepted, ``code`` where not."""

    index: int
    status: int
    order: Order | None
    code: str | None
    detail: str | None


class OrderResults(Struct, frozen=True):
    results: list[OrderResult]


class CancelResult(Struct, frozen=True):
    """``state`` is cancelled, or cancelling while the matching engine has not come to it; None where refused."""

    order_id: str
    status: int
    state: str | None
    code: str | None


class CancelResults(Struct, frozen=True):
    results: list[CancelResult]


class Candle(Struct, frozen=True):
    start: datetime
    open_per_kwh: int
    high_per_kwh: int
    low_per_kwh: int
    close_per_kwh: int
    vwap_per_kwh: int
    energy_wh: int
    trades: int


class Day(Struct, frozen=True):
    """A day of delivery, UTC."""

    day: datetime
    orders: int
    participants: int
    trades: int
    energy_wh: int
    vwap_per_kwh: int | None
    delivered_wh: int | None
    self_sufficiency_ppm: int | None


class Trade(Struct, frozen=True):
    trade_id: int
    zone: int
    delivery_start: datetime
    buyer: str
    seller: str
    energy_wh: int
    price_per_kwh: int
    delivered_wh: int | None
    settlement_status: str


class Settlement(Struct, frozen=True):
    zone: int
    delivery_start: datetime
    version: int
    state: str
    transaction_hash: str | None
    traded_wh: int
    delivered_wh: int
    imbalance_wh: int


class ReadingResult(Struct, frozen=True):
    index: int
    state: str
    code: str | None


class StreamMessage(Struct, frozen=True):
    """One message of a stream; ``seq`` grows by one within a channel."""

    channel: str
    seq: int
    type: str
    data: dict[str, Any]


class Page(Struct, frozen=True):
    """One page of a list: ``items`` as the API wrote them, ``next_cursor`` for the page after it."""

    items: list[dict[str, Any]]
    next_cursor: str | None = None
