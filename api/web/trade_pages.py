"""The page on which a signed-in account trades."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api.deps import MaybeCaller, Reader, Site, public
from api.rest import balances, markets, orders
from api.rest import status as market_status
from api.rest.meta import Stamp
from api.rest.paging import Window
from api.web.render import render
from node.settlement import reads

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])

ORDERS_SHOWN: Final = 50
SETTLEMENTS_SHOWN: Final = 200


@router.get("/trade")
async def trade_page(
    request: Request,
    db: Reader,
    site: Site,
    meta: Stamp,
    caller: MaybeCaller,
    zone: Annotated[int, Query(ge=1, lt=1 << 32)] = 1,
) -> HTMLResponse:
    """Order ticket, one's orders up to their settlement, money and mandate."""
    status = await market_status.status(db, site, meta)
    if caller is None:
        return render("trade.html", request, status=status, holder=None)
    slots = (await markets.slots(zone, db, site, meta, 0)).items
    mine = await orders.orders(caller, db, site, meta, Window(ORDERS_SHOWN, None, ""), None, None, None)
    settled = await reads.settlements(db, account=caller.account, limit=SETTLEMENTS_SHOWN)
    return render(
        "trade.html",
        request,
        status=status,
        holder=caller.account,
        zone=zone,
        zones=(await markets.markets(db, site, meta)).zones,
        slots=[slot for slot in slots if slot.state == "open"],
        balances=await balances.balances(caller.account, caller, db, site, meta),
        orders=mine.items,
        settled={datetime.fromtimestamp(item.delivery_start, UTC): item.state for item in reversed(settled)},
        continuous=site.config.node.market.trading == "continuous",
    )
