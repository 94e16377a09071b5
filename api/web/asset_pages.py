"""The pages about assets, what one holds of them, and the clearance queue."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api.deps import ADMIN_ROLES, MaybeCaller, Reader, Site, manages, operates, public
from api.rest import asset_documents, asset_production, assets, distributions, investments, kyc, notifications
from api.rest.assets import AssetType, Status
from api.rest.meta import Stamp
from api.rest.paging import Window
from api.web.map import Site as MapSite
from api.web.map import draw
from api.web.render import render
from node import kyc as node_kyc
from node.assets import investing, registry
from node.assets.investing import Holding
from node.kyc import ApplicationNotFound

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])

SHOWN = 200
NEWS = 20


def _chosen(values: tuple[str, ...], text: str) -> str | None:
    """A filter of a form; what is empty or unknown does not filter."""
    return text if text in values else None


@router.get("/assets")
async def asset_list(
    request: Request,
    db: Reader,
    site: Site,
    meta: Stamp,
    caller: MaybeCaller,
    asset_type: Annotated[str, Query(max_length=20)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """All plants, on a map and in a table."""
    kind, state = _chosen(AssetType.__args__, asset_type), _chosen(Status.__args__, status)  # type: ignore[attr-defined]
    page = await assets.assets(db, site, meta, Window(SHOWN, None), state, kind, None)  # type: ignore[arg-type]
    places = [
        MapSite(
            str(item.id),
            item.name,
            float(item.location_lat),
            float(item.location_lon),
            None if item.capacity_kw is None else float(item.capacity_kw),
        )
        for item in page.items
        if item.location_lat is not None and item.location_lon is not None
    ]
    return render(
        "assets.html",
        request,
        page=page,
        map=draw(places),
        asset_type=kind,
        status=state,
        manages=caller is not None and manages(caller),
    )


@router.get("/assets/{asset_id}")
async def asset_page(
    asset_id: UUID, request: Request, db: Reader, site: Site, meta: Stamp, caller: MaybeCaller
) -> HTMLResponse:
    """One plant: what it produces, what of it is for sale, its papers, who holds it, what it paid."""
    page = await assets.asset(asset_id, db, site, meta)
    found = await registry.asset(db, site.chain_id, asset_id)
    is_operator = caller is not None and operates(caller)
    holders: Sequence[Holding] = ()
    inside = caller is not None and await assets.may_see_inside(db, site.chain_id, found, caller.account, is_operator)
    if inside and found.token is not None:
        holders = await investing.cap_table(db, site.chain_id, found.token, found.supply, None)
    start, end = asset_production.default_span(site.clock.now())
    production = await asset_production.asset_production(asset_id, db, site, meta, start, end, "day")
    return render(
        "asset.html",
        request,
        page=page,
        now=site.clock.now(),
        rate=site.clock.rate,
        production=production,
        power=production.latest,
        inside=inside,
        holders=holders[:SHOWN],
        owns=caller is not None and caller.account == found.owner,
        manages=caller is not None and manages(caller),
        yearly=await investing.yearly(db, site.chain_id, asset_id),
        papers=await asset_documents.documents(asset_id, db, site, meta),
        distributions=await distributions.distributions(db, meta, asset_id, SHOWN),
    )


@router.get("/portfolio")
async def portfolio_page(request: Request, db: Reader, site: Site, meta: Stamp, caller: MaybeCaller) -> HTMLResponse:
    """What the signed-in account holds."""
    if caller is None:
        return render("portfolio.html", request, holder=None)
    return render(
        "portfolio.html",
        request,
        holder=caller.account,
        portfolio=await investments.portfolio(caller, db, site, meta, None),
        notifications=await notifications.notifications(caller, db, Window(NEWS, None)),
    )


@router.get("/clearance")
async def clearance_page(request: Request, db: Reader, caller: MaybeCaller) -> HTMLResponse:
    """One's own application; for administrators who waits."""
    allowed = caller is not None and caller.role in ADMIN_ROLES
    waiting = (await kyc.applications(db)).items if allowed else []
    mine = None
    if caller is not None:
        with suppress(ApplicationNotFound):
            mine = await node_kyc.profile(db, caller.user_id)
    return render("kyc.html", request, caller=caller, mine=mine, allowed=allowed, applications=waiting)
