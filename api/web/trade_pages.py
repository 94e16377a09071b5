"""The page on which a signed-in account trades."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api.deps import MaybeCaller, Reader, Site, public
from api.rest import balances, markets, orders
from api.rest import status as market_status
from api.rest.meta import IndexHead, Stamp
from api.rest.order_fields import OrderAnswer
from api.web.progress import STEPS, Progress, progress_of
from api.web.render import render
from api.web.windows import newest
from indexer.db import queries

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
SQL = queries(__name__)

ORDERS_SHOWN: Final = 50


@router.get("/trade")
async def trade_page(
    request: Request,
    db: Reader,
    site: Site,
    meta: Stamp,
    caller: MaybeCaller,
    head: IndexHead,
    zone: Annotated[int, Query(ge=1, lt=1 << 32)] = 1,
) -> HTMLResponse:
    """Order ticket, one's orders up to their finality, money and mandate."""
    status = await market_status.status(db, site, meta)
    if caller is None:
        return render("trade.html", request, status=status, holder=None)
    slots = (await markets.slots(zone, db, site, meta, 0)).items
    mine = (await orders.orders(caller, db, site, meta, newest(ORDERS_SHOWN), None, None, None)).items
    return render(
        "trade.html",
        request,
        status=status,
        holder=caller.account,
        zone=zone,
        zones=(await markets.markets(db, site, meta)).zones,
        slots=[slot for slot in slots if slot.state == "open"],
        balances=await balances.balances(caller.account, caller, db, site, head, meta),
        orders=mine,
        steps=STEPS,
        progress=await _progress(db, site.chain_id, mine),
        continuous=site.config.node.market.trading == "continuous",
    )


async def _progress(db: Any, chain_id: int, mine: list[OrderAnswer]) -> dict[bytes, Progress]:
    rows = await db.fetch(SQL["progress"], chain_id, [order.order_id for order in mine])
    by_digest = {row["digest"]: row for row in rows}
    return {
        order.order_id: progress_of(order.status, order.matched_wh, order.close_reason, by_digest[order.order_id])
        for order in mine
    }
