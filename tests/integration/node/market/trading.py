"""A continuous market on a real database: orders in, steps of the matching, and what is stored of them."""

from dataclasses import dataclass, replace
from typing import Any

from contracts.typed_data import Order
from indexer.db import Connection, Pool
from node.market import clearing, matching, service
from node.market.area import Area, alone
from node.market.instructions import NO_INSTRUCTIONS, Instructions
from node.market.matching import Matcher, Step
from node.market.slot_book import SlotBook
from tests.integration.node.market.community import CHAIN_ID, DOMAIN, GATE, NOW, RULES, SLOT, ZONE, enrol

CONTINUOUS = replace(RULES, trading="continuous")
AREA = alone(ZONE, RULES.grid_fee_per_kwh)


@dataclass(frozen=True)
class Market:
    """One that trades continuously."""

    pool: Pool
    area: Area = AREA

    async def enter(
        self, entry: tuple[Order, bytes], now_s: float = NOW, asking: Instructions = NO_INSTRUCTIONS
    ) -> service.Accepted:
        async with self.pool.acquire() as db, db.transaction():
            return await service.accept_order(db, CONTINUOUS, DOMAIN, CHAIN_ID, *entry, now_s, asking)

    async def cancel(self, trader: bytes, digest: bytes, now_s: float = NOW) -> service.Accepted:
        async with self.pool.acquire() as db, db.transaction():
            return await service.cancel_order(db, CONTINUOUS, trader, digest, now_s)

    async def match(self, matcher: Matcher | None = None) -> list[Step]:
        return await (matcher or Matcher(CONTINUOUS, [self.area])).follow(self.pool, NOW)

    async def close(self, now_s: float = GATE) -> tuple[clearing.Auction, ...]:
        async with self.pool.acquire() as db, db.transaction():
            return await clearing.clear_area(db, CONTINUOUS, self.area, SLOT, now_s)


async def orders(db: Connection) -> dict[bytes, dict[str, Any]]:
    rows = await db.fetch(
        "select digest, status, matched_wh, taken_wh, shown_wh, locked_cash::bigint as locked, close_reason"
        " from trading.orders order by sequence"
    )
    return {row["digest"]: {name: row[name] for name in row if name != "digest"} for row in map(dict, rows)}


async def trades(db: Connection) -> list[tuple[Any, ...]]:
    rows = await db.fetch(
        "select trade_number, kind, buy_order, sell_order, energy_wh, price_per_kwh, fee_per_kwh, sequence"
        " from trading.trades order by delivery_start, trade_number"
    )
    return [tuple(row) for row in rows]


async def again(db: Connection, area: Area = AREA) -> SlotBook:
    """The slot's book, made from the whole sequence."""
    book = SlotBook(area, SLOT, RULES.price_short_per_kwh)
    async with db.transaction():
        book.apply(await matching.slot_events(db, area, SLOT, 2**62))
    return book


__all__ = ["AREA", "CONTINUOUS", "Market", "again", "enrol", "orders", "trades"]
