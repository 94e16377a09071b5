"""The pages of the market, rendered from the same answers as the API's."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from api.deps import Reader, Services, Site, public
from api.rest import audit, market_data, markets, settlements
from api.rest import status as market_status
from api.rest.fields import Second, ZoneNumber
from api.rest.meta import Stamp
from api.rest.paging import Page
from api.rest.slots import Slot
from api.web.curve import Curve, draw
from api.web.render import render
from api.web.usual import LEAST_DAYS, usual_prices
from api.web.windows import newest
from node.errors import NotFound

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])

PAST_SLOTS: Final = 96
TRADES_SHOWN: Final = 20
AUCTIONS_SHOWN: Final = 6
INTERVALS: Final = {"slot": 96, "hour": 168, "day": 60}
"""How many of each the chart goes back."""
MOST_DRAWN: Final = 2_000
"""Orders; a larger book is not drawn at a glance, its own page has it."""

Zone = Annotated[int, Query(ge=1, lt=1 << 32)]


@router.get("/")
async def overview(
    request: Request,
    db: Reader,
    site: Site,
    meta: Stamp,
    zone: Zone = 1,
    interval: Annotated[str, Query(max_length=10)] = "slot",
    slot: Annotated[Second | None, Query()] = None,
) -> HTMLResponse:
    """The market at a glance: prices, the book that is open, the last auctions and trades."""
    slots = (await markets.slots(zone, db, site, meta, PAST_SLOTS)).items
    takes_orders = [line for line in slots if line.state == "open"]
    shown = next((line for line in takes_orders if line.delivery_start == slot), next(iter(takes_orders), None))
    auctions = (await markets.auctions(zone, db, meta, newest(AUCTIONS_SHOWN))).items
    return render(
        "overview.html",
        request,
        status=await market_status.status(db, site, meta),
        zones=(await markets.markets(db, site, meta)).zones,
        zone=zone,
        slots=slots[::-1],
        interval=interval if interval in INTERVALS else "slot",
        intervals=tuple(INTERVALS),
        candles=await _candles(zone, db, site, meta, interval if interval in INTERVALS else "slot"),
        open_slots=takes_orders,
        usual=await usual_prices(db, zone, [line.delivery_start for line in takes_orders]),
        least_days=LEAST_DAYS,
        shown=shown,
        book=None if shown is None else await markets.book_of(zone, shown.delivery_start, db, site, meta),
        auctions=auctions,
        last=await _last_curve(zone, db, site, meta, auctions),
        trades=(await markets.trades(zone, db, meta, newest(TRADES_SHOWN), None)).items,
    )


async def _candles(zone: int, db: Any, site: Services, meta: Any, interval: str) -> list[market_data.Candle]:
    rules = site.config.node.market
    length_s = {"slot": rules.slot_s, "hour": 3_600, "day": 86_400}[interval]
    ahead_s = rules.gate_lead_s + (rules.open_slots + 1) * rules.slot_s
    now = site.clock.now().replace(microsecond=0)
    start, end = now - timedelta(seconds=INTERVALS[interval] * length_s), now + timedelta(seconds=ahead_s)
    return (await market_data.candles(zone, db, site, meta, interval, None, start, end)).items  # type: ignore[arg-type]


async def _last_curve(
    zone: int, db: Any, site: Services, meta: Any, auctions: list[markets.Auction]
) -> tuple[Slot, Curve] | None:
    """The newest auction that had orders, drawn."""
    last = next((auction for auction in auctions if 0 < auction.order_count <= MOST_DRAWN), None)
    if last is None:
        return None
    line = await markets.slot(zone, last.delivery_start, db, site)
    curve = _curve(await markets.book_of(zone, last.delivery_start, db, site, meta), line, last.grid_fee_per_kwh)
    return None if curve is None else (line, curve)


@router.get("/slots/{zone}/{delivery_start}")
async def slot(
    request: Request, zone: ZoneNumber, delivery_start: Second, db: Reader, site: Site, meta: Stamp
) -> HTMLResponse:
    """One delivery slot from its book to the ledger."""
    book = await markets.book_of(zone, delivery_start, db, site, meta)
    line = await markets.slot(zone, delivery_start, db, site)
    trades: Page[markets.Trade] = await markets.trades(zone, db, meta, newest(500), delivery_start)
    return render(
        "slot.html",
        request,
        status=await market_status.status(db, site, meta),
        zone=zone,
        slot=line,
        book=book,
        curve=_curve(book, line, site.config.node.market.grid_fee_per_kwh),
        trades=trades.items[::-1],
        settlement=await _settlement(zone, delivery_start, db, meta),
        check=await audit.check_of(db, zone, delivery_start),
    )


async def _settlement(zone: int, delivery_start: datetime, db: Any, meta: Any) -> settlements.SettlementDetail | None:
    try:
        return await settlements.settlement(zone, delivery_start, db, meta)
    except NotFound:
        return None


def _curve(book: markets.Book, line: Slot, grid_fee_per_kwh: int) -> Curve | None:
    bids = [(o.limit_price_per_kwh - grid_fee_per_kwh, o.energy_wh) for o in book.orders if o.side == "buy"]
    offers = [(o.limit_price_per_kwh, o.energy_wh) for o in book.orders if o.side == "sell"]
    return draw(bids, offers, line.clearing_price_per_kwh, line.matched_wh or 0)


@router.get("/favicon.ico")
async def favicon() -> RedirectResponse:
    """Old browsers ask here."""
    return RedirectResponse("/static/icon.svg", 308)


def error_page(request: Request, problem: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """A problem for people."""
    return render("problem.html", request, status_code=problem["status"], headers=headers, problem=problem)


def mount_static(app: FastAPI) -> None:
    """Serves the prebuilt script and style sheet."""
    app.mount("/static", StaticFiles(directory=str(files("api.web") / "static")), name="static")
