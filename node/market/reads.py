"""What others may ask the market. Pages are read newest first; the key of the last row starts the next page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from indexer.db import Connection, queries
from node.config import MarketRules
from node.market.book import BookOrder, parse_book
from node.market.book import book_hash as hash_of
from node.market.clearing import Auction
from node.market.orders import gate_closes_at, gate_opens_at

_SQL = queries(__name__)

SlotState: TypeAlias = Literal["upcoming", "open", "closed", "cleared"]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as the market keeps it. Energy in Wh, price in micro-currency per kWh, cash in token units."""

    sequence: int
    digest: bytes
    trader: bytes
    side: str
    zone: int
    delivery_start: int
    energy_wh: int
    limit_price_per_kwh: int
    min_fill_wh: int
    time_in_force: int
    source: int
    expiry: int
    lane: int
    nonce: int
    signature: bytes
    status: str
    matched_wh: int
    locked_cash: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade; what was delivered and charged is None until settlement has computed it."""

    trade_id: int
    auction_id: int | None
    trade_number: int
    kind: str
    zone: int
    sell_zone: int
    delivery_start: int
    buy_order: bytes
    sell_order: bytes
    buyer: bytes
    seller: bytes
    energy_wh: int
    price_per_kwh: int
    fee_per_kwh: int
    rent_per_kwh: int
    delivered_wh: int | None
    grid_fee_nano: int | None
    carbon_offset_g: int | None
    settlement_status: str
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class BookView:
    """The book of a slot: only a count while it is sealed, everything once the gate has closed and it is cleared."""

    sealed: bool
    order_count: int
    orders: tuple[BookOrder, ...]
    data: bytes | None
    """The published bytes."""
    book_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a delivery slot stands on the market."""

    delivery_start: int
    gate_opens_at: int
    gate_closes_at: int
    state: SlotState
    order_count: int
    clearing_price_per_kwh: int | None
    matched_wh: int | None


async def orders(
    db: Connection,
    *,
    trader: bytes | None = None,
    status: str | None = None,
    zone: int | None = None,
    delivery_start: int | None = None,
    before_sequence: int | None = None,
    limit: int = 100,
) -> list[OrderRow]:
    """A page of orders. Orders of an open book are their trader's business: callers ask by trader."""
    rows = await db.fetch(_SQL["orders"], trader, status, zone, delivery_start, before_sequence, limit)
    return [_order(dict(row)) for row in rows]


async def order(db: Connection, digest: bytes) -> OrderRow | None:
    """One order by its digest."""
    row = await db.fetchrow(_SQL["order"], digest)
    return None if row is None else _order(dict(row))


def _order(row: dict[str, object]) -> OrderRow:
    fields = {**row, "locked_cash": int(str(row["locked_cash"]))}
    return OrderRow(**fields)  # type: ignore[arg-type]


async def trades(
    db: Connection,
    *,
    zone: int | None = None,
    delivery_start: int | None = None,
    trader: bytes | None = None,
    before_trade_id: int | None = None,
    limit: int = 100,
) -> list[TradeRow]:
    """A page of trades; ``trader`` finds both sides."""
    rows = await db.fetch(_SQL["trades"], zone, delivery_start, trader, before_trade_id, limit)
    return [TradeRow(**dict(row)) for row in rows]


async def auctions(
    db: Connection, zone: int, *, before_delivery_start: int | None = None, limit: int = 100
) -> list[Auction]:
    """A page of a zone's auctions."""
    rows = await db.fetch(_SQL["auctions"], zone, before_delivery_start, limit)
    return [Auction(**dict(row)) for row in rows]


async def book(db: Connection, zone: int, delivery_start: int) -> BookView:
    """The published book of a cleared slot; before that, only how many orders it has."""
    row = await db.fetchrow(_SQL["book"], zone, delivery_start)
    assert row is not None
    data = row["book"]
    if data is None:
        return BookView(True, row["waiting"], (), None, None)
    published = parse_book(data)
    return BookView(False, len(published.orders), published.orders, data, hash_of(data))


async def slots(
    db: Connection,
    rules: MarketRules,
    zone: int,
    now_s: float,
    *,
    past: int = 8,
    before_delivery_start: int | None = None,
) -> list[Slot]:
    """Slots of a zone, latest first: those that take orders or are next to, and ``past`` gated ones.

    ``before_delivery_start`` continues from the last slot of a page, back in time.
    """
    last_gated = (int(now_s) + rules.gate_lead_s) // rules.slot_s * rules.slot_s
    last = last_gated + (rules.open_slots + 1) * rules.slot_s
    if before_delivery_start is not None:
        last = last_gated = min(before_delivery_start - rules.slot_s, last)
    first = last_gated - (past - 1) * rules.slot_s
    rows = await db.fetch(_SQL["slots"], zone, first, last, rules.slot_s)
    return [
        Slot(
            delivery_start=row["delivery_start"],
            gate_opens_at=gate_opens_at(rules, row["delivery_start"]),
            gate_closes_at=gate_closes_at(rules, row["delivery_start"]),
            state=_state(rules, row["delivery_start"], now_s, is_cleared=row["auction_id"] is not None),
            order_count=row["order_count"],
            clearing_price_per_kwh=row["clearing_price_per_kwh"],
            matched_wh=row["matched_wh"],
        )
        for row in rows
    ]


def _state(rules: MarketRules, delivery_start: int, now_s: float, *, is_cleared: bool) -> SlotState:
    if is_cleared:
        return "cleared"
    if now_s >= gate_closes_at(rules, delivery_start):
        return "closed"
    return "open" if now_s >= gate_opens_at(rules, delivery_start) else "upcoming"


async def locked_cash(db: Connection, chain_id: int, trader: bytes) -> int:
    """Cash units that a trader's orders and slots hold back from new orders, as the intake judges them."""
    return int(await db.fetchval(_SQL["locked"], chain_id, trader))
