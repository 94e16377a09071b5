"""The auction of a whole day at once, for everyone to run again."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, Site, public
from api.rest.fields import Answer, Hash, Instant, Natural, Octets, Whole, ZoneNumber
from api.rest.meta import Meta, Stamp
from indexer.db import queries
from node.errors import NotFound
from node.market import days

router = APIRouter(tags=["markets"], dependencies=[Depends(public)])
SQL = queries(__name__)


Day = Annotated[
    date,
    Query(description="Day of delivery, on the market's calendar", ge=date(1970, 1, 2), le=date(2105, 12, 31)),
]


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
    """When it begins, on the market's calendar."""
    ends_at: Instant
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
async def day_ahead(zone: ZoneNumber, day: Day, db: Reader, site: Site, meta: Stamp) -> DayAhead:
    """Published when the day-ahead gate has closed; not found before, and where there is no such session."""
    begins_at = datetime.fromtimestamp(days.begins_at(site.config.node.market, day), UTC)
    row = await db.fetchrow(SQL["session"], zone, begins_at)
    if row is None:
        raise NotFound
    rows = await db.fetch(SQL["prices"], zone, begins_at, row["ends_at"])
    prices = [DayAheadPrice.model_validate(dict(price)) for price in rows]
    return DayAhead(meta=meta, prices=prices, **dict(row))
