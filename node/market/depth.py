"""What the continuous book shows: snapshots from PostgreSQL, and the news that follow them.

A snapshot and all news of a higher revision make the book at any time; a revision that is missing asks for another
snapshot. What icebergs hide, and orders that wait for their minimum fill, is not shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from indexer.db import Connection, queries
from node.bus import Message
from node.market.area import Area
from node.market.matching import Step
from node.market.orders import SIDES

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Level:
    """The energy shown at one limit."""

    zone: int
    side: str
    price_per_kwh: int
    energy_wh: int
    orders: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The open books of an area's slot."""

    area: int
    delivery_start: int
    revision: int
    """0 before anything was shown."""
    sequence: int
    """The last event of the slot that is in it."""
    trades: int
    levels: tuple[Level, ...]
    """By zone, side and limit."""


async def snapshot(db: Connection, area: Area, delivery_start: int) -> Snapshot:
    """What the books show; nothing before their first order and after the gate."""
    rows = await db.fetch(_SQL["snapshot"], area.name, area.zones, delivery_start)
    if not rows:
        return Snapshot(area.name, delivery_start, 0, 0, 0, ())
    levels = tuple(
        Level(row["zone"], row["side"], row["limit_price_per_kwh"], row["energy_wh"], row["orders"])
        for row in rows
        if row["zone"] is not None
    )
    first = rows[0]
    return Snapshot(area.name, delivery_start, first["revision"], first["sequence"], first["trades"], levels)


def news(step: Step) -> Iterator[tuple[str, Message]]:
    """What a step did, as (channel, message): every trade, then the levels that changed."""
    for number, zone, sell_zone, *_, energy_wh, price, fee, sequence, executed_ms in zip(
        *step.changes.fill_columns, strict=True
    ):
        yield (
            "trades",
            {
                "zone": zone,
                "sell_zone": sell_zone,
                "delivery_start": step.delivery_start,
                "trade_number": number,
                "kind": "continuous",
                "energy_wh": str(energy_wh),
                "price_per_kwh": str(price),
                "fee_per_kwh": str(fee),
                "sequence": sequence,
                "executed_at": _time(executed_ms),
            },
        )
    yield (
        "book",
        {
            "area": step.area.name,
            "delivery_start": step.delivery_start,
            "revision": step.revision,
            "sequence": step.sequence,
            "levels": [
                {
                    "zone": level.zone,
                    "side": SIDES[level.side],
                    "price_per_kwh": str(level.limit_per_kwh),
                    "energy_wh": str(level.energy_wh),
                }
                for level in step.changes.levels
            ],
        },
    )


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
