"""Entering and withdrawing orders, in PostgreSQL. What happens at the gate is in ``clearing``; reads are in ``reads``.

An order is acknowledged once its transaction commits; an acknowledged order is in the book when the gate closes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

import asyncpg

from contracts.errors import GridtraceError
from contracts.typed_data import Domain, Order
from contracts.units import energy_limit_wh
from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import ledger, refusals, sequence
from node.market.book import BookOrder
from node.market.clearing import Auction, clear, due_gates, release_locks
from node.market.orders import (
    SIDES,
    MandateState,
    TraderState,
    check_fields,
    check_order,
    check_trader,
    gate_closes_at,
    signed_digest,
)
from node.market.reads import auctions, book, locked_cash, order, orders, slots, trades

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order in the market's sequence."""

    sequence: int
    digest: bytes
    status: str
    received_at: datetime
    """Market time."""
    duplicate: bool = False
    """The same signed order was accepted before; nothing was added."""


Entry: TypeAlias = tuple[Order, bytes]
"""An order and its signature."""


async def accept_order(
    db: Connection,
    rules: MarketRules,
    domain: Domain,
    chain_id: int,
    order: Order,
    signature: bytes,
    now_s: float,
) -> Accepted:
    """Checks a signed order and puts it into the book of its slot; the same order again finds the first.

    Raises:
        OrderRefused: a subclass names the rule, its limit and the order's value.
        FieldOutOfRange: a field does not fit its Solidity type.
    """
    check_fields(order)
    digest = signed_digest(domain, order, signature)
    await ledger.lock_entry(db, order.zone, order.delivery_start, order.trader)
    return await _judge(db, rules, chain_id, BookOrder(0, digest, order, signature), now_s)


async def accept_orders(
    db: Connection,
    rules: MarketRules,
    domain: Domain,
    chain_id: int,
    entries: Sequence[Entry],
    now_s: float,
) -> list[Accepted | GridtraceError]:
    """Accepts or refuses each order by itself, all in one transaction; answers stand as ``entries`` do.

    Later orders are judged with the earlier ones in the book.
    """
    signed = [_signed(domain, order, signature) for order, signature in entries]
    orders = [entry.order for entry in signed if isinstance(entry, BookOrder)]
    # Slots before traders, each in one order, so that two batches never wait for each other.
    await ledger.lock_slots(db, {(order.zone, order.delivery_start) for order in orders})
    await ledger.lock_traders(db, {order.trader for order in orders})
    answers: list[Accepted | GridtraceError] = []
    for entry in signed:
        try:
            answers.append(
                entry if isinstance(entry, GridtraceError) else await _judge(db, rules, chain_id, entry, now_s)
            )
        except refusals.OrderRefused as refusal:
            answers.append(refusal)
    return answers


def _signed(domain: Domain, order: Order, signature: bytes) -> BookOrder | GridtraceError:
    try:
        check_fields(order)
        return BookOrder(0, signed_digest(domain, order, signature), order, signature)
    except GridtraceError as refusal:
        return refusal


async def _judge(db: Connection, rules: MarketRules, chain_id: int, entry: BookOrder, now_s: float) -> Accepted:
    """Accepts or refuses an order, whose slot and trader are locked. Refuses before it writes."""
    order = entry.order
    if (stored := await _stored(db, entry.digest)) is not None:
        return stored
    check_order(rules, order, now_s)
    lock = check_trader(rules, order, await _trader_state(db, rules, chain_id, order, now_s))
    return await _enter(db, entry, lock, now_s)


async def cancel_order(db: Connection, rules: MarketRules, trader: bytes, digest: bytes, now_s: float) -> Accepted:
    """Withdraws an open order before its gate; cancelling again changes nothing.

    Raises:
        OrderNotFound: no such order, or another trader's.
        CancelTooLate: the gate has closed.
    """
    row = await db.fetchrow(_SQL["stored"], digest)
    if row is None or row["trader"] != trader:
        raise refusals.OrderNotFound("no order 0x" + digest.hex() + " of this trader")
    await ledger.lock_entry(db, row["zone"], row["delivery_start"], trader)
    stored = await _stored(db, digest)
    assert stored is not None
    if stored.status == "cancelled":
        return stored
    closed_at = gate_closes_at(rules, row["delivery_start"])
    if stored.status != "open" or now_s >= closed_at:
        raise refusals.CancelTooLate(f"the gate closed at {closed_at}; now_s={int(now_s)}, status={stored.status}")
    await db.execute(_SQL["cancel"], digest)
    await ledger.append(db, [(sequence.ORDER_CANCELLED, digest, sequence.cancelled_payload(_ms(now_s)))], now_s)
    return replace(stored, status="cancelled", duplicate=False)


async def _stored(db: Connection, digest: bytes) -> Accepted | None:
    row = await db.fetchrow(_SQL["stored"], digest)
    return (
        None
        if row is None
        else Accepted(row["sequence"], row["digest"], row["status"], row["received_at"], duplicate=True)
    )


async def _trader_state(db: Connection, rules: MarketRules, chain_id: int, order: Order, now_s: float) -> TraderState:
    row = await db.fetchrow(
        _SQL["trader_state"],
        chain_id,
        order.trader,
        order.zone,
        order.delivery_start,
        SIDES[order.side],
        order.lane,
    )
    assert row is not None
    if row["is_cleared"]:  # the acceptance waited for its locks while the slot was cleared
        raise refusals.GateClosed(closed_at=gate_closes_at(rules, order.delivery_start), now_s=int(now_s))
    return TraderState(
        zone_known=row["zone_known"],
        kyc_until=row["kyc_until"],
        flags=row["flags"],
        free_cash=int(row["free_cash"]),
        nonce_floor=row["nonce_floor"],
        mandate=_mandate(row),
        position_limit_wh=sum(energy_limit_wh(fuse_w, rules.slot_s) for fuse_w in row["fuses_w"]),
        position_wh=row["position_wh"],
        open_orders=row["open_orders"],
        last_lane_nonce=row["last_lane_nonce"],
        live_lane_order=row["live_lane_order"],
    )


def _mandate(row: asyncpg.Record) -> MandateState | None:
    if row["mandate_per_slot"] is None:
        return None
    return MandateState(int(row["mandate_per_slot"]), int(row["mandate_left"]), row["mandate_expiry"])


async def _enter(db: Connection, entry: BookOrder, lock: int, now_s: float) -> Accepted:
    order = entry.order

    def payload(number: int) -> bytes:
        published = replace(entry, sequence=number).to_bytes()
        return sequence.accepted_payload(order.zone, order.delivery_start, _ms(now_s), published)

    event = await ledger.append_one(db, sequence.ORDER_ACCEPTED, entry.digest, payload, now_s)
    received_at = await db.fetchval(
        _SQL["insert_order"],
        entry.digest,
        event.sequence,
        order.trader,
        SIDES[order.side],
        order.zone,
        order.delivery_start,
        order.energy_wh,
        order.limit_price_per_kwh,
        order.min_fill_wh,
        order.time_in_force,
        order.source,
        order.expiry,
        order.lane,
        order.nonce,
        entry.signature,
        lock,
        float(now_s),
    )
    return Accepted(event.sequence, entry.digest, "open", received_at)


def _ms(now_s: float) -> int:
    return int(now_s * 1_000)


__all__ = [
    "Accepted",
    "Auction",
    "accept_order",
    "accept_orders",
    "auctions",
    "book",
    "cancel_order",
    "clear",
    "due_gates",
    "locked_cash",
    "order",
    "orders",
    "release_locks",
    "slots",
    "trades",
]
