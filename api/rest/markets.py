"""The market: zones and rules, delivery slots, books once published, trades, auctions."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from api.deps import Reader, Services, Site, public, snapshot
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Octets, Second, Whole, ZoneNumber, seconds
from api.rest.meta import Meta, MinBlock, Stamp, stamp, unpinned
from api.rest.order_fields import OrderAnswer, order_answer
from api.rest.paging import MAX_LIMIT, Page, Wanted
from api.rest.slots import Slot, slot_of
from api.rest.status import Rules, rules_of
from indexer.db import queries
from node.errors import NotFound
from node.market import agreement, depth, indicative, service
from node.market.area import Area, alone, area_of

router = APIRouter(tags=["markets"], dependencies=[Depends(public)])
SQL = queries(__name__)


class Zone(Answer):
    """A grid zone: one book per delivery slot."""

    zone: int
    meters: int


class Markets(Answer):
    meta: Meta | None
    rules: Rules
    zones: list[Zone]


class BookLevel(Answer):
    """The energy that the continuous book shows at one limit."""

    price_per_kwh: Whole
    energy_wh: Natural
    orders: int


class Indicative(Answer):
    """What the closing auction would come to in a zone if the gate closed now: null and 0 where nothing would trade.

    The best bid and the best ask are those that the book shows.
    """

    zone: int
    sell_price_per_kwh: Whole | None
    buy_price_per_kwh: Whole | None
    sold_wh: Natural
    bought_wh: Natural
    best_bid_per_kwh: Whole | None
    best_ask_per_kwh: Whole | None


class Indication(Answer):
    """The closing auction of an open book as of ``revision``, in all zones that are cleared together."""

    meta: Meta | None
    area: int
    delivery_start: Instant
    revision: int
    zones: list[Indicative]


class Book(Answer):
    """Where the market trades by auction, sealed until the gate closes: then every order, and the canonical bytes to
    run the auction again.

    In continuous trading ``bids`` and ``asks`` are what the book shows before the gate, best first, as of ``revision``:
    channel ``book`` goes on from there, each message one revision further. ``indicative`` is what the closing auction
    would come to in this zone.
    """

    meta: Meta | None
    zone: int
    delivery_start: Instant
    gate_closes_at: Instant
    sealed: bool
    order_count: int
    area: int
    revision: int | None
    bids: list[BookLevel]
    asks: list[BookLevel]
    indicative: Indicative | None
    orders: list[OrderAnswer]
    book: Octets | None
    book_hash: Hash | None
    result_hash: Hash | None


class Trade(Answer):
    """Energy in Wh, price in micro-currency per kWh, fee in nano-currency. ``delivered_wh`` comes with settlement.

    ``zone`` is the buyer's. He pays ``price_per_kwh``, which the seller receives, and congestion rent on ``energy_wh``,
    and the fee on ``delivered_wh``. ``kind`` is auction, continuous or day_ahead.
    """

    trade_id: int
    trade_number: int
    kind: str
    zone: int
    sell_zone: int
    delivery_start: Instant
    buyer: Address
    seller: Address
    buy_order: Hash
    sell_order: Hash
    energy_wh: Natural
    price_per_kwh: Whole
    fee_per_kwh: Whole
    rent_per_kwh: Natural
    delivered_wh: Natural | None
    grid_fee_nano: Natural | None
    carbon_offset_g: Natural | None
    settlement_status: str
    executed_at: Instant


class Auction(Answer):
    """One slot's auction. ``clearing_price_per_kwh`` is null where nothing crossed.

    Sellers of the zone receive it for ``sold_wh``; its buyers pay ``buy_price_per_kwh`` for ``matched_wh``, fee and
    rent included. ``area`` names the zones that were cleared together.
    """

    auction_id: int
    zone: int
    area: int
    delivery_start: Instant
    gate_closed_at: Instant
    clearing_price_per_kwh: Whole | None
    price_low_per_kwh: Whole | None
    price_high_per_kwh: Whole | None
    buy_price_per_kwh: Whole | None
    grid_fee_per_kwh: Natural
    order_count: int
    matched_wh: Natural
    sold_wh: Natural
    book_hash: Hash
    result_hash: Hash


@router.get("/v1/markets")
async def markets(db: Reader, site: Site, meta: Stamp) -> Markets:
    """Zones with meters, and the rules."""
    zones = [Zone.model_validate(dict(row)) for row in await db.fetch(SQL["zones"])]
    return Markets(meta=meta, rules=rules_of(site.config.node.market), zones=zones)


@router.get("/v1/markets/{zone}/slots")
async def slots(
    zone: ZoneNumber,
    db: Reader,
    site: Site,
    meta: Stamp,
    past: Annotated[int, Query(ge=0, le=MAX_LIMIT, description="How many ended slots")] = 24,
) -> Page[Slot]:
    """Slots that take orders, that deliver, and the last that ended; the earliest first."""
    rules, now = site.config.node.market, site.clock.now()
    last = now + timedelta(seconds=rules.gate_lead_s + rules.open_slots * rules.slot_s)
    first = now - timedelta(seconds=past * rules.slot_s)
    rows = await db.fetch(SQL["slots"], zone, seconds(first), seconds(last), rules.slot_s, now)
    return Page(meta=meta, items=[slot_of(row, rules, now) for row in rows])


@router.get("/v1/markets/{zone}/slots/{delivery_start}")
async def slot(zone: ZoneNumber, delivery_start: Second, db: Reader, site: Site) -> Slot:
    """One slot's line."""
    rules, start = site.config.node.market, seconds(delivery_start)
    rows = (
        [] if start % rules.slot_s else await db.fetch(SQL["slots"], zone, start, start, rules.slot_s, delivery_start)
    )
    if not rows:
        raise NotFound
    return slot_of(rows[0], rules, site.clock.now())


@router.get("/v1/markets/{zone}/book", response_model=Book)
async def book(
    zone: ZoneNumber,
    delivery_start: Annotated[Second, Query()],
    site: Site,
    _: Annotated[None, Depends(unpinned)],
    min_block: MinBlock = None,
) -> Response:
    """Before the gate closes only how many orders there are; after it, all of them."""

    async def told() -> bytes:
        async with snapshot(site) as db:
            found = await book_of(zone, delivery_start, db, site, await stamp(db, site, min_block=min_block))
        return found.model_dump_json().encode()

    is_slot = seconds(delivery_start) % site.config.node.market.slot_s == 0
    if min_block is not None or not is_slot or not _is_shown(site, delivery_start):
        return Response(await told(), media_type="application/json")
    area, slot = _area(site, zone).name, (zone, delivery_start)
    answer = await site.open_books.told(site.pool, site.chain_id, area, slot, site.clock.now_s, told)
    return Response(answer, media_type="application/json")


async def book_of(zone: int, delivery_start: datetime, db: Any, site: Services, meta: Meta | None) -> Book:
    """The book of a zone's slot, as the caller of ``db`` may see it."""
    gate = _gate(site, delivery_start)
    is_open = site.clock.now() < gate
    is_shown = is_open and site.config.node.market.trading == "continuous"
    rows = [] if is_open else await db.fetch(SQL["book"], zone, delivery_start)
    auction = None if is_open else await db.fetchrow(SQL["published"], zone, delivery_start)
    area = _area(site, zone)
    shown = told = None
    if is_shown:
        await agreement.require(db, site.areas)
        shown = await depth.snapshot(db, area, seconds(delivery_start))
        told = await indicative.indication(db, area, seconds(delivery_start))
    return Book(
        meta=meta,
        zone=zone,
        delivery_start=delivery_start,
        gate_closes_at=gate,
        sealed=is_open and not is_shown,
        area=area.name,
        revision=None if shown is None else shown.revision,
        bids=_levels(shown, zone, "buy"),
        asks=_levels(shown, zone, "sell"),
        indicative=None if told is None else _indicative(told, zone),
        order_count=await db.fetchval(SQL["order_count"], zone, delivery_start),
        orders=[order_answer(row) for row in rows],
        book=auction and auction["book"],
        book_hash=auction and auction["book_hash"],
        result_hash=auction and auction["result_hash"],
    )


def _gate(site: Services, delivery_start: datetime) -> datetime:
    return delivery_start - timedelta(seconds=site.config.node.market.gate_lead_s)


def _is_shown(site: Services, delivery_start: datetime) -> bool:
    """Whether the slot's book is open to see while it trades."""
    return site.config.node.market.trading == "continuous" and site.clock.now() < _gate(site, delivery_start)


def _area(site: Services, zone: int) -> Area:
    return area_of(site.areas, zone) or alone(zone, site.config.node.market.grid_fee_per_kwh)


@router.get("/v1/markets/{zone}/indicative")
async def indicative_price(
    zone: ZoneNumber, delivery_start: Annotated[Second, Query()], db: Reader, site: Site, meta: Stamp
) -> Indication:
    """Indicative price and volume of the closing auction, while the book is open; not found where books are sealed,
    and after the gate."""
    if not _is_shown(site, delivery_start):
        raise NotFound("only an open book has an indicative price")
    await agreement.require(db, site.areas)
    found = await indicative.indication(db, _area(site, zone), seconds(delivery_start))
    zones = [Indicative.model_validate(asdict(row)) for row in found.zones]
    return Indication(meta=meta, area=found.area, delivery_start=delivery_start, revision=found.revision, zones=zones)


def _indicative(found: indicative.Indication, zone: int) -> Indicative | None:
    return next((Indicative.model_validate(asdict(row)) for row in found.zones if row.zone == zone), None)


def _levels(shown: depth.Snapshot | None, zone: int, side: str) -> list[BookLevel]:
    levels = [level for level in (shown.levels if shown else ()) if (level.zone, level.side) == (zone, side)]
    best_first = sorted(levels, key=lambda level: level.price_per_kwh, reverse=side == "buy")
    return [BookLevel.model_validate(asdict(level)) for level in best_first]


@router.get("/v1/markets/{zone}/trades")
async def trades(
    zone: ZoneNumber,
    db: Reader,
    meta: Stamp,
    wanted: Wanted,
    delivery_start: Annotated[Second | None, Query()] = None,
) -> Page[Trade]:
    """Newest first; of one slot where ``delivery_start`` is given."""
    start = None if delivery_start is None else seconds(delivery_start)
    rows = await service.trades(db, zone=zone, delivery_start=start, before_trade_id=wanted.after, limit=wanted.fetch)
    kept, cursor = wanted.cut([asdict(row) for row in rows], "trade_id")
    return Page(meta=meta, items=[Trade.model_validate(row) for row in kept], next_cursor=cursor)


@router.get("/v1/markets/{zone}/auctions")
async def auctions(zone: ZoneNumber, db: Reader, meta: Stamp, wanted: Wanted) -> Page[Auction]:
    """Latest slot first."""
    rows = await service.auctions(db, zone, before_delivery_start=wanted.after, limit=wanted.fetch)
    kept, cursor = wanted.cut([asdict(row) for row in rows], "delivery_start")
    return Page(meta=meta, items=[Auction.model_validate(row) for row in kept], next_cursor=cursor)
