"""What the market did: candles and daily statistics of a zone."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, Services, Site, public
from api.rest.fields import Answer, Instant, Natural, Second, Whole, ZoneNumber
from api.rest.meta import Meta, Stamp
from indexer.db import queries
from node.errors import Refused
from node.market.area import area_of

router = APIRouter(tags=["markets"], dependencies=[Depends(public)])
SQL = queries(__name__)

Interval = Literal["slot", "hour", "day", "1m", "5m", "15m", "1h"]
EXECUTION_S: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600}
MOST: Final = 500
DAY: Final = timedelta(days=1)


class RangeInvalid(Refused):
    """The time range ends before it starts, or holds more intervals than one answer may."""

    code = "range"


class Candle(Answer):
    """Trades of an interval; intervals without trades have none. Prices are the sellers', micro-currency per kWh."""

    start: Instant
    open_per_kwh: Whole
    high_per_kwh: Whole
    low_per_kwh: Whole
    close_per_kwh: Whole
    vwap_per_kwh: Whole
    energy_wh: Natural
    trades: int


class Candles(Answer):
    """``start`` and ``end`` are what was asked for, half-open; the earliest candle first."""

    meta: Meta | None
    zone: int
    interval: Interval
    start: Instant
    end: Instant
    items: list[Candle]


class Day(Answer):
    """A day of delivery. ``self_sufficiency_ppm``: of a million Wh that the area's meters drew, how many came from a
    local trade; null until the day has a settlement."""

    day: Instant
    orders: int
    participants: int
    buyers: int
    sellers: int
    trades: int
    energy_wh: Natural
    low_per_kwh: Whole | None
    high_per_kwh: Whole | None
    vwap_per_kwh: Whole | None
    delivered_wh: Natural | None
    withdrawal_wh: Natural | None
    injection_wh: Natural | None
    self_sufficiency_ppm: int | None


class Statistics(Answer):
    meta: Meta | None
    zone: int
    start: Instant
    end: Instant
    items: list[Day]


Start = Annotated[Second | None, Query(description="As many intervals before `end` as one answer holds, if not given")]
End = Annotated[Second | None, Query(description="Not included; now and the slots that are open, if not given")]


def _range(start: datetime | None, end: datetime, step: timedelta, most: int) -> datetime:
    """The start of a range that one answer can hold. Raises RangeInvalid."""
    begin = end - most * step if start is None else start
    if not begin < end <= begin + most * step:
        raise RangeInvalid(f"start={begin}, end={end}: at most {most} intervals of {step}")
    return begin


def _end(site: Services) -> datetime:
    rules = site.config.node.market
    return site.clock.now() + timedelta(seconds=rules.gate_lead_s + (rules.open_slots + 1) * rules.slot_s)


@router.get("/v1/markets/{zone}/candles")
async def candles(
    zone: ZoneNumber,
    db: Reader,
    site: Site,
    meta: Stamp,
    interval: Annotated[Interval, Query(description="slot, hour, day: of delivery; the others: of execution")] = "slot",
    delivery_start: Annotated[Second | None, Query(description="The slot, for intervals of execution")] = None,
    start: Start = None,
    end: End = None,
) -> Candles:
    """Open, high, low, close, mean price and volume; by delivery, or of one slot by when its trades were made."""
    rules = site.config.node.market
    length_s = {"slot": rules.slot_s, "hour": 3_600, "day": 86_400, **EXECUTION_S}[interval]
    last = end or (_end(site) if delivery_start is None else delivery_start)
    first = _range(start, last, timedelta(seconds=length_s), MOST)
    if interval not in EXECUTION_S:
        if delivery_start is not None:
            raise RangeInvalid(f"interval={interval} is of delivery: delivery_start does not go with it")
        rows = await db.fetch(SQL["candles_by_delivery"], zone, interval, first, last, rules.time_zone)
    elif delivery_start is None:
        raise RangeInvalid(f"interval={interval} is of execution: it needs delivery_start")
    else:
        rows = await db.fetch(SQL["candles_by_execution"], zone, delivery_start, length_s, first, last)
    items = [Candle.model_validate(dict(row)) for row in rows]
    return Candles(meta=meta, zone=zone, interval=interval, start=first, end=last, items=items)


@router.get("/v1/markets/{zone}/statistics")
async def statistics(
    zone: ZoneNumber, db: Reader, site: Site, meta: Stamp, start: Start = None, end: End = None
) -> Statistics:
    """Volume, prices, participants and self-sufficiency of each day of delivery, on the market's calendar."""
    last = end or _end(site)
    first = _range(start, last, DAY, MOST)
    area = area_of(site.areas, zone)
    rules, name = site.config.node.market, zone if area is None else area.name
    unsealed = site.clock.now() + timedelta(seconds=rules.gate_lead_s)
    rows = await db.fetch(SQL["statistics"], zone, name, first, last, unsealed, rules.time_zone)
    return Statistics(
        meta=meta, zone=zone, start=first, end=last, items=[Day.model_validate(dict(row)) for row in rows]
    )
