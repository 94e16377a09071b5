"""The auction of a whole day at once, for everyone to run again."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, public
from api.rest.fields import Answer, Hash, Instant, Natural, Octets, Whole, ZoneNumber
from api.rest.meta import Meta, Stamp
from indexer.db import queries
from node.errors import NotFound

router = APIRouter(tags=["markets"], dependencies=[Depends(public)])
SQL = queries(__name__)


class DayAheadPrice(Answer):
    """One slot. Sellers receive one price, buyers pay the other, fee and rent included; null where nobody traded."""

    delivery_start: Instant
    sell_price_per_kwh: Whole | None
    buy_price_per_kwh: Whole | None
    bought_wh: Natural
    sold_wh: Natural


class DayAhead(Answer):
    """A day-ahead auction.

    Blocks are named by the least of their orders' sequence numbers; those ``rejected`` were left out though they would
    gain at these prices.
    """

    meta: Meta | None
    area: int
    """The zones that were cleared together, by the smallest."""
    day: Instant
    gate_closed_at: Instant
    cleared_at: Instant
    order_count: int
    matched_wh: Natural
    accepted_blocks: list[int]
    rejected_blocks: list[int]
    prices: list[DayAheadPrice]
    """Of this zone's slots that had orders."""
    book: Octets
    """All slots' orders of all these zones, in canonical bytes."""
    book_hash: Hash
    result_hash: Hash


@router.get("/v1/markets/{zone}/day-ahead")
async def day_ahead(
    zone: ZoneNumber, day: Annotated[date, Query(description="Day of delivery, UTC")], db: Reader, meta: Stamp
) -> DayAhead:
    """Published when the day-ahead gate has closed; not found before, and where there is no such session."""
    begins_at = datetime.combine(day, time(), UTC)
    row = await db.fetchrow(SQL["session"], zone, begins_at)
    if row is None:
        raise NotFound
    prices = [DayAheadPrice.model_validate(dict(price)) for price in await db.fetch(SQL["prices"], zone, begins_at)]
    return DayAhead(meta=meta, prices=prices, **dict(row))
