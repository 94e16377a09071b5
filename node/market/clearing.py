"""What happens when a gate closes: the auction in PostgreSQL, once for each slot, and the freeing of collateral."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from contracts.typed_data import Order
from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import auction, ledger, sequence
from node.market.auction import AuctionResult, Side
from node.market.book import BUY, SELL, BookOrder, PublishedBook, book_bytes, book_hash, result_hash
from node.market.orders import SIDES, gate_closes_at, settled_by, trade_lock
from node.market.refusals import GateStillOpen

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
_SIDE_NUMBERS: Final = {name: number for number, name in SIDES.items()}

CATCH_UP_SLOTS: Final = 96
"""Slots without orders are made up for this far back; slots with orders always."""


@dataclass(frozen=True, slots=True)
class Auction:
    """One row of trading.auctions. Prices are what sellers receive, None where nothing traded."""

    auction_id: int
    zone: int
    delivery_start: int
    slot_s: int
    clearing_price_per_kwh: int | None
    price_low_per_kwh: int | None
    price_high_per_kwh: int | None
    grid_fee_per_kwh: int
    order_count: int
    matched_wh: int
    book_hash: bytes
    result_hash: bytes
    gate_closed_at: datetime
    cleared_at: datetime


async def clear(
    db: Connection, rules: MarketRules, zone: int, delivery_start: int, now_s: float, *, chain_id: int | None = None
) -> Auction:
    """Runs the auction of a slot whose gate has closed; run again, it finds the first result.

    With ``chain_id``, orders that the exchange would refuse by now are cancelled first.

    Raises:
        GateStillOpen: the slot still takes orders.
    """
    closed_at = gate_closes_at(rules, delivery_start)
    if now_s < closed_at:
        raise GateStillOpen(f"zone {zone} slot {delivery_start} takes orders until {closed_at}; now_s={int(now_s)}")
    await ledger.lock_clearing(db, zone, delivery_start)
    if (cleared := await _auction(db, zone, delivery_start)) is not None:
        return cleared
    if chain_id is not None:
        await _cancel_void(db, rules, chain_id, zone, delivery_start, now_s)
    orders = await _open_orders(db, zone, delivery_start)
    published = PublishedBook(zone, delivery_start, rules.slot_s, rules.grid_fee_per_kwh, orders)
    book = published.columns()
    result = auction.clear(book, rules.grid_fee_per_kwh)
    data = book_bytes(zone, delivery_start, rules.slot_s, rules.grid_fee_per_kwh, orders)
    hashes = book_hash(data), result_hash(book, result)
    auction_id = await db.fetchval(
        _SQL["insert_auction"],
        zone,
        delivery_start,
        rules.slot_s,
        closed_at,
        result.price_per_kwh,
        result.price_low_per_kwh,
        result.price_high_per_kwh,
        rules.grid_fee_per_kwh,
        len(orders),
        result.matched_wh,
        data,
        *hashes,
        float(now_s),
    )
    await _write_trades(db, auction_id, book, result, now_s)
    await _close_orders(db, rules, (book.buys, book.sells), result)
    subject, payload = sequence.auction_subject(zone, delivery_start), sequence.auction_payload(*hashes)
    await ledger.append(db, [(sequence.AUCTION_CLEARED, subject, payload)], now_s)
    logger.info(
        "auction cleared zone=%d delivery_start=%d orders=%d matched_wh=%d price_per_kwh=%s",
        zone,
        delivery_start,
        len(orders),
        result.matched_wh,
        result.price_per_kwh,
    )
    stored = await _auction(db, zone, delivery_start)
    assert stored is not None
    return stored


async def due_gates(db: Connection, rules: MarketRules, zones: Sequence[int], now_s: float) -> list[tuple[int, int]]:
    """(zone, delivery start) of every closed gate without an auction, oldest first.

    A slot without orders has an auction too, from the market's first slot on, so that every slot has a result.
    """
    last_gated = (int(now_s) + rules.gate_lead_s) // rules.slot_s * rules.slot_s
    rows = await db.fetch(_SQL["due"], list(zones), last_gated, rules.slot_s, CATCH_UP_SLOTS - 1)
    return [(row["zone"], row["delivery_start"]) for row in rows]


async def release_locks(db: Connection, delivery_start: int, zone: int) -> None:
    """Frees what the slot's orders had locked once it is over, and marks as settled the trades that did not fail."""
    await db.execute(_SQL["release_orders"], zone, delivery_start)
    await db.execute(_SQL["release_trades"], zone, delivery_start)


async def _auction(db: Connection, zone: int, delivery_start: int) -> Auction | None:
    row = await db.fetchrow(_SQL["auction"], zone, delivery_start)
    return None if row is None else Auction(**dict(row))


async def _cancel_void(
    db: Connection, rules: MarketRules, chain_id: int, zone: int, delivery_start: int, now_s: float
) -> None:
    rows = await db.fetch(_SQL["void_orders"], chain_id, zone, delivery_start, settled_by(rules, delivery_start))
    payload = sequence.cancelled_payload(int(now_s * 1_000))
    digests = [row["digest"] for row in sorted(rows, key=lambda row: int(row["sequence"]))]
    if digests:
        await ledger.append(db, [(sequence.ORDER_CANCELLED, digest, payload) for digest in digests], now_s)
        logger.warning("void orders cancelled zone=%d delivery_start=%d orders=%d", zone, delivery_start, len(digests))


async def _open_orders(db: Connection, zone: int, delivery_start: int) -> tuple[BookOrder, ...]:
    rows = await db.fetch(_SQL["book_orders"], zone, delivery_start)
    return tuple(
        BookOrder(
            row["sequence"],
            row["digest"],
            Order(
                trader=row["trader"],
                zone=zone,
                delivery_start=delivery_start,
                side=_SIDE_NUMBERS[row["side"]],
                energy_wh=row["energy_wh"],
                limit_price_per_kwh=row["limit_price_per_kwh"],
                min_fill_wh=row["min_fill_wh"],
                time_in_force=row["time_in_force"],
                source=row["source"],
                expiry=row["expiry"],
                lane=row["lane"],
                nonce=row["nonce"],
            ),
            row["signature"],
        )
        for row in rows
    )


async def _write_trades(
    db: Connection, auction_id: int, book: auction.Book, result: AuctionResult, now_s: float
) -> None:
    trades = result.trades
    await db.execute(
        _SQL["insert_trades"],
        auction_id,
        list(range(len(trades.energy_wh))),
        book.buys.sequence[trades.buy].tolist(),
        book.sells.sequence[trades.sell].tolist(),
        trades.energy_wh.tolist(),
        result.price_per_kwh,
        float(now_s),
    )


async def _close_orders(db: Connection, rules: MarketRules, sides: tuple[Side, Side], result: AuctionResult) -> None:
    price = result.price_per_kwh or 0
    for number, fills_wh in ((BUY, result.buy_fills_wh), (SELL, result.sell_fills_wh)):
        locks = [
            trade_lock(rules, number, matched_wh, price, rules.grid_fee_per_kwh) for matched_wh in fills_wh.tolist()
        ]
        await db.execute(_SQL["close_orders"], sides[number].sequence.tolist(), fills_wh.tolist(), locks)
