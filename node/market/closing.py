"""An auction's two ends in PostgreSQL: the books that it is run on, and what it makes of their orders."""

import logging
from typing import Final, Literal

import asyncpg

from contracts.typed_data import Order
from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import ledger, sequence
from node.market.area import Area
from node.market.area_auction import Cleared
from node.market.book import BookOrder, PublishedBook
from node.market.instructions import Instructions
from node.market.orders import SIDES, settled_by

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
_SIDE_NUMBERS: Final = {name: number for number, name in SIDES.items()}

EVER: Final = float("inf")


async def drop_blocks(db: Connection, area: Area, delivery_start: int) -> None:
    """Closes orders that only the day-ahead auction would have taken, and that entered after it was run."""
    await db.execute(_SQL["drop_blocks"], area.zones, delivery_start)


async def cancel_void(
    db: Connection,
    rules: MarketRules,
    chain_id: int,
    area: Area,
    delivery_start: int,
    now_s: float,
    *,
    before_s: float = EVER,
) -> list[ledger.Entry]:
    """Cancels open orders that the exchange would refuse by now, of those that came before a time.

    Returns what the caller adds to the sequence.
    """
    needed_until = settled_by(rules, delivery_start)
    rows = await db.fetch(_SQL["void_orders"], chain_id, area.zones, delivery_start, needed_until, before_s)
    payload = sequence.cancelled_payload(int(now_s * 1_000))
    digests = [row["digest"] for row in sorted(rows, key=lambda row: int(row["sequence"]))]
    if digests:
        logger.warning(
            "void orders cancelled area=%d delivery_start=%d orders=%d", area.name, delivery_start, len(digests)
        )
    return [(sequence.ORDER_CANCELLED, digest, payload) for digest in digests]


async def books(
    db: Connection, rules: MarketRules, area: Area, delivery_start: int, *, before_s: float = EVER
) -> list[PublishedBook]:
    """The open orders of a slot that came before a time, in the order of the area's zones."""
    orders: dict[int, list[BookOrder]] = {zone: [] for zone in area.zones}
    for row in await db.fetch(_SQL["book_orders"], area.zones, delivery_start, before_s):
        orders[row["zone"]].append(_book_order(row, delivery_start))
    return [
        PublishedBook(zone, delivery_start, rules.slot_s, area.fee_per_kwh[zone, zone], tuple(entries))
        for zone, entries in orders.items()
    ]


def _book_order(row: asyncpg.Record, delivery_start: int) -> BookOrder:
    signed = {
        name: row[name]
        for name in (
            "trader", "zone", "energy_wh", "limit_price_per_kwh", "min_fill_wh", "time_in_force", "source", "expiry",
            "lane", "nonce",
        )
    }  # fmt: skip
    asked = {name: row[name] for name in ("post_only", "display_wh", "self_trade", "good_till", "replaces", "block")}
    order = Order(delivery_start=delivery_start, side=_SIDE_NUMBERS[row["side"]], **signed)
    return BookOrder(
        row["sequence"], row["digest"], order, row["signature"], Instructions(**asked), taken_wh=row["taken_wh"]
    )


async def write_outcome(
    db: Connection, rules: MarketRules, cleared: Cleared, kind: Literal["auction", "day_ahead"], now_s: float
) -> None:
    """Writes the trades, closes every order of the books, and locks what the trades may still cost."""
    zones, start = cleared.area.zones, cleared.delivery_start
    await db.execute(_SQL["insert_trades"], zones, start, float(now_s), *_trade_columns(cleared), kind)
    await db.execute(_SQL["close_orders"], *_fill_columns(cleared))
    await db.execute(_SQL["lock_trades"], zones, start, rules.price_short_per_kwh)


def _trade_columns(cleared: Cleared) -> tuple[list[int], ...]:
    """Sequences of bid and offer, energy, price, fee and rent of every trade, in order."""
    columns: tuple[list[int], ...] = ([], [], [], [], [], [])
    sides = {book.zone: book.columns() for book in cleared.books}
    for flow in cleared.result.flows:
        trades = flow.trades
        energy_wh: list[int] = trades.energy_wh.tolist()
        rows: tuple[list[int], ...] = (
            sides[flow.buy_zone].buys.sequence[trades.buy].tolist(),
            sides[flow.sell_zone].sells.sequence[trades.sell].tolist(),
            energy_wh,
            *([money] * len(energy_wh) for money in (flow.price_per_kwh, flow.fee_per_kwh, flow.rent_per_kwh)),
        )
        for column, row in zip(columns, rows, strict=True):
            column += row
    return columns


def _fill_columns(cleared: Cleared) -> tuple[list[int], list[int]]:
    """Sequence and fill of every order."""
    sequences: list[int] = []
    fills_wh: list[int] = []
    for book in cleared.books:
        columns, result = book.columns(), cleared.result
        for side, row in ((columns.buys, result.buys[book.zone]), (columns.sells, result.sells[book.zone])):
            sequences += side.sequence.tolist()
            fills_wh += row.fills_wh.tolist()
    return sequences, fills_wh
