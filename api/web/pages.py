"""The pages, rendered from the same answers as the API's."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from api.deps import Reader, Site, public
from api.rest import audit, ledger, markets, settlements
from api.rest import status as market_status
from api.rest.fields import Address, Second, ZoneNumber
from api.rest.meta import Stamp
from api.rest.paging import Page, Window
from api.rest.slots import Slot
from api.web.curve import Curve, draw
from api.web.render import render
from node.errors import NotFound

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])

PAST_SLOTS = 96
TRADES_SHOWN = 20
EVENTS_SHOWN = 50

Zone = Annotated[int, Query(ge=1, lt=1 << 32)]


def _newest(limit: int) -> Window:
    return Window(limit, None, "")


@router.get("/")
async def overview(request: Request, db: Reader, site: Site, meta: Stamp, zone: Zone = 1) -> HTMLResponse:
    """The market at a glance."""
    return render(
        "overview.html",
        request,
        status=await market_status.status(db, site, meta),
        zones=(await markets.markets(db, site, meta)).zones,
        zone=zone,
        slots=(await markets.slots(zone, db, site, meta, PAST_SLOTS)).items[::-1],
        trades=(await markets.trades(zone, db, meta, _newest(TRADES_SHOWN), None)).items,
    )


@router.get("/slots/{zone}/{delivery_start}")
async def slot(
    request: Request, zone: ZoneNumber, delivery_start: Second, db: Reader, site: Site, meta: Stamp
) -> HTMLResponse:
    """One delivery slot from its book to the ledger."""
    book = await markets.book(zone, delivery_start, db, site, meta)
    line = await markets.slot(zone, delivery_start, db, site)
    trades: Page[markets.Trade] = await markets.trades(zone, db, meta, _newest(500), delivery_start)
    try:
        settled = await settlements.settlement(zone, delivery_start, db, meta)
    except NotFound:
        settled = None
    return render(
        "slot.html",
        request,
        status=await market_status.status(db, site, meta),
        zone=zone,
        slot=line,
        book=book,
        curve=_curve(book, line, site.config.node.market.grid_fee_per_kwh),
        trades=trades.items[::-1],
        settlement=settled,
        check=await audit.check_of(db, zone, delivery_start),
    )


def _curve(book: markets.Book, line: Slot, grid_fee_per_kwh: int) -> Curve | None:
    bids = [(o.limit_price_per_kwh - grid_fee_per_kwh, o.energy_wh) for o in book.orders if o.side == "buy"]
    offers = [(o.limit_price_per_kwh, o.energy_wh) for o in book.orders if o.side == "sell"]
    return draw(bids, offers, line.clearing_price_per_kwh, line.matched_wh or 0)


@router.get("/status")
async def status_page(request: Request, db: Reader, site: Site, meta: Stamp) -> HTMLResponse:
    """What runs, by which rules, and what the auditor last looked at."""
    return render(
        "status.html",
        request,
        status=await market_status.status(db, site, meta),
        bus=await site.bus.ping(),
        contracts=sorted(site.chain.deployment.addresses.items()),
        checks=await audit.slot_checks(db, meta, _newest(TRADES_SHOWN), None),
    )


@router.get("/ledger")
async def ledger_page(request: Request, db: Reader, site: Site, meta: Stamp) -> HTMLResponse:
    """The newest blocks and events of the mirrored chain."""
    return render(
        "ledger.html",
        request,
        status=await market_status.status(db, site, meta),
        blocks=(await ledger.blocks(db, site, meta, _newest(TRADES_SHOWN))).items,
        events=(await ledger.events(db, site, meta, _newest(EVENTS_SHOWN), None, None)).items,
    )


@router.get("/accounts/{account}")
async def account_page(request: Request, account: Address, db: Reader, site: Site, meta: Stamp) -> HTMLResponse:
    """What the chain says of an account."""
    return render(
        "account.html",
        request,
        status=await market_status.status(db, site, meta),
        account=await ledger.ledger_account(account, db, site, meta, EVENTS_SHOWN),
    )


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
