"""Pages about the machinery: how the parts stand, and a devnet's accounts, money and contracts."""

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from api.deps import MaybeCaller, Reader, Services, Site, public
from api.errors import NOWHERE
from api.rest import audit
from api.rest import status as market_status
from api.rest.meta import Stamp
from api.web.render import render
from api.web.windows import newest
from indexer.db import queries
from node import row_security
from node.errors import NotFound
from node.market import days

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
SQL = queries(__name__)

CHECKS_SHOWN: Final = 20
ACCOUNTS_SHOWN: Final = 200
THIS_MACHINE: Final = ("127.0.0.1", "localhost", "::1")


def next_day_ahead_gate(site: Services) -> datetime | None:
    """When the gate closes next on orders for a whole day; None where there is no such session."""
    rules = site.config.node.market
    last = days.last_session(rules, site.clock.now_s())
    closes_at = None if last is None else days.session_closes_at(rules, days.day_after(rules, last))
    return None if closes_at is None else datetime.fromtimestamp(closes_at, UTC)


@router.get("/status")
async def status_page(request: Request, db: Reader, site: Site, meta: Stamp) -> HTMLResponse:
    """What runs, by which rules, what waits, and what the auditor last looked at."""
    gate = next_day_ahead_gate(site)
    # Sums over rows that nobody is shown one by one.
    async with row_security.as_everybody(db):
        waiting, faults = await db.fetchrow(SQL["waiting"]), await db.fetch(SQL["faults"])
    return render(
        "status.html",
        request,
        status=await market_status.status(db, site, meta),
        bus=await site.bus.ping(),
        cursors=await db.fetch(SQL["cursors"], site.chain_id),
        outbox=await db.fetch(SQL["outbox"]),
        waiting=waiting,
        faults=faults,
        contracts=sorted(site.chain.deployment.addresses.items()),
        checks=await audit.slot_checks(db, meta, newest(CHECKS_SHOWN), None),
        day_ahead_gate=gate,
        day_ahead_for=None if gate is None else gate + timedelta(days=1),
        day_ahead_last=None if gate is None else await db.fetchrow(SQL["day_ahead"]),
    )


@router.get("/devnet")
async def devnet_page(request: Request, db: Reader, site: Site, meta: Stamp, caller: MaybeCaller) -> HTMLResponse:
    """A devnet's accounts, its faucet, contracts and time. On any other chain there is no such page."""
    if not site.config.devnet:
        raise NotFound(NOWHERE)
    token = site.chain.deployment.address("PaymentToken")
    urls = site.config.node.indexer.rpc_urls
    return render(
        "devnet.html",
        request,
        status=await market_status.status(db, site, meta),
        holder=None if caller is None else caller.account,
        accounts=await db.fetch(SQL["accounts"], site.chain_id, token, ACCOUNTS_SHOWN),
        operator=site.chain.operator,
        grid=site.config.node.grid_account,
        # An address elsewhere may carry a key.
        rpc_urls=[url for url in urls if urlsplit(url).hostname in THIS_MACHINE],
        chain_id=site.chain_id,
        contracts=sorted(site.chain.deployment.addresses.items()),
    )
