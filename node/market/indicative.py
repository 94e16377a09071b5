"""What the closing auction of an open book would come to, if the gate closed now.

Continuous books only: they are public. A sealed book tells nothing, see docs/adr/0015-batched-intake.md.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import asyncpg

from indexer.db import Connection, queries
from node.market.area import Area
from node.market.area_auction import clear_columns
from node.market.auction import Book, Side
from node.market.terms import parse_terms

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class ZoneIndication:
    """Energy in Wh, prices in micro-currency per kWh; None where nothing would trade, or nothing is shown."""

    zone: int
    sell_price_per_kwh: int | None
    """What sellers of the zone would receive."""
    buy_price_per_kwh: int | None
    """What its buyers would pay, fee and rent included."""
    sold_wh: int
    bought_wh: int
    best_bid_per_kwh: int | None
    best_ask_per_kwh: int | None


@dataclass(frozen=True, slots=True)
class Indication:
    """Of all zones that are cleared together, as of a revision of their book."""

    area: int
    delivery_start: int
    revision: int
    """0 before the first order."""
    zones: tuple[ZoneIndication, ...]


async def indication(db: Connection, area: Area, delivery_start: int) -> Indication:
    """The closing auction of the open orders, with the capacity that is left. One state of the database is needed."""
    book = await db.fetchrow(_SQL["book"], area.name, delivery_start)
    if book is None:
        zones = tuple(ZoneIndication(zone, None, None, 0, 0, None, None) for zone in area.zones)
        return Indication(area.name, delivery_start, 0, zones)
    agreed, _ = parse_terms(book["terms"])
    left = dict(agreed.capacity_wh)
    for row in await db.fetch(_SQL["used"], agreed.zones, delivery_start):
        if (pair := (row["sell_zone"], row["zone"])) in left:
            left[pair] -= row["energy_wh"]
    orders = await db.fetch(_SQL["open_orders"], agreed.zones, delivery_start, book["sequence"])
    # A long book takes milliseconds: other requests go on.
    zones = await asyncio.to_thread(_cleared, replace(agreed, capacity_wh=left), orders)
    return Indication(agreed.name, delivery_start, book["revision"], zones)


def _cleared(area: Area, orders: Iterable[asyncpg.Record]) -> tuple[ZoneIndication, ...]:
    rows: dict[tuple[int, str], list[tuple[int, int, int, int]]] = defaultdict(list)
    shown: dict[tuple[int, str], list[int]] = defaultdict(list)
    for sequence, zone, side, left_wh, limit, least_wh, shown_wh in orders:
        rows[zone, side].append((sequence, left_wh, limit, least_wh))
        if shown_wh:
            shown[zone, side].append(limit)
    books = {zone: Book(Side.of(rows[zone, "buy"]), Side.of(rows[zone, "sell"])) for zone in area.zones}
    result = clear_columns(area, books)
    return tuple(
        ZoneIndication(
            zone=zone,
            sell_price_per_kwh=result.sells[zone].price_per_kwh,
            buy_price_per_kwh=result.buys[zone].price_per_kwh,
            sold_wh=result.sells[zone].matched_wh,
            bought_wh=result.buys[zone].matched_wh,
            best_bid_per_kwh=max(shown[zone, "buy"], default=None),
            best_ask_per_kwh=min(shown[zone, "sell"], default=None),
        )
        for zone in area.zones
    )
