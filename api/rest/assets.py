"""Plants as assets: entered, tokenised, found by place; their holders."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.auth import Forbidden
from api.deps import Admin, Documents, Reader, SignedIn, Site, Writer, admin, operates, public, signed_in
from api.rest.accepted import Accepted
from api.rest.fields import Address, Answer, Hash, Instant, Line, Natural, Request
from api.rest.meta import AtBlock, IndexHead, Meta, Pinned, Stamp
from api.rest.paging import Page, Wanted
from node.assets import investing, papers, registry
from node.assets.registry import Asset

router = APIRouter(tags=["assets"])

NEAREST: Final = 100
Degrees = Annotated[Decimal, Field(decimal_places=8)]
AssetType = Literal["solar", "wind", "hydro", "storage"]
Status = Literal["pending", "tokenising", "active", "suspended", "retired"]


class NewAsset(Request):
    """A plant. ``plant_id`` is the name that its meters are registered with; fractions are whole and for ever."""

    owner: Address
    plant_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
    name: Annotated[Line, Field(max_length=100)]
    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,11}$")]
    supply: Annotated[Natural, Field(ge=1, le=2**60)]
    asset_type: AssetType = "solar"
    capacity_kw: Annotated[Decimal, Field(gt=0, lt=10**8, decimal_places=2)] | None = None
    location_lat: Annotated[Degrees, Field(ge=-90, le=90)] | None = None
    location_lon: Annotated[Degrees, Field(ge=-180, le=180)] | None = None
    commissioned_on: date | None = None


class AssetAnswer(Answer):
    """An asset and its offer; money in payment token units, ``revenue`` all that was ever paid in."""

    id: UUID
    token_id: int
    name: str
    symbol: str
    asset_type: AssetType
    status: Status
    owner: Address
    plant_id: str
    supply: Natural
    capacity_kw: Decimal | None
    location_lat: Decimal | None
    location_lon: Decimal | None
    commissioned_on: date | None
    created_at: Instant
    token: Address | None
    documents_root: Hash | None
    metadata_uri: str | None
    offer_price: Natural | None
    offer_fractions: Natural
    offer_until: Instant | None
    holders: int
    revenue: Natural
    distance_m: float | None = None


class OneAsset(Answer):
    meta: Meta | None
    asset: AssetAnswer


class StatusChange(Request):
    status: Literal["active", "suspended", "retired"]


class Holding(Answer):
    """``share`` of all fractions, rounded down."""

    account: Address
    fractions: Natural
    share: Decimal


class CapTable(Answer):
    meta: Meta | None
    block: int | None
    """None: as of ``meta``."""
    items: list[Holding]


def answer(found: Asset) -> AssetAnswer:
    """An asset as it is told."""
    return AssetAnswer.model_validate(found, from_attributes=True)


@router.post("/v1/assets", status_code=201, dependencies=[Depends(admin)])
async def register(body: NewAsset, db: Writer, site: Site, meta: Stamp) -> OneAsset:
    """Enters a plant; tokenise it once its papers are there."""
    values = dict(body)
    lat, lon = values.pop("location_lat"), values.pop("location_lon")
    place = None if lat is None or lon is None else registry.Place(lat, lon)
    asset_id = await registry.register(db, registry.NewAsset(**values, place=place))
    return OneAsset(meta=meta, asset=answer(await registry.asset(db, site.chain_id, asset_id)))


@router.get("/v1/assets", dependencies=[Depends(public)])
async def assets(
    db: Reader,
    site: Site,
    meta: Stamp,
    window: Wanted,
    status: Status | None = None,
    asset_type: AssetType | None = None,
    owner: Annotated[Address | None, Query()] = None,
) -> Page[AssetAnswer]:
    """All assets, the newest first."""
    found = await registry.assets(
        db,
        site.chain_id,
        status=status,
        asset_type=asset_type,
        owner=owner,
        before=window.after,
        limit=window.fetch,
    )
    rows, cursor = window.cut([{"asset": asset, "token_id": asset.token_id} for asset in found], "token_id")
    return Page(meta=meta, items=[answer(row["asset"]) for row in rows], next_cursor=cursor)


@router.get("/v1/assets:nearest", dependencies=[Depends(public)])
async def nearest(
    db: Reader,
    site: Site,
    meta: Stamp,
    lat: Annotated[Decimal, Query(ge=-90, le=90)],
    lon: Annotated[Decimal, Query(ge=-180, le=180)],
    radius_m: Annotated[int, Query(ge=1, le=1_000_000)] = 50_000,
    limit: Annotated[int, Query(ge=1, le=NEAREST)] = 20,
) -> Page[AssetAnswer]:
    """Assets around a place, the nearest first."""
    found = await registry.nearest(db, site.chain_id, registry.Place(lat, lon), radius_m, limit)
    return Page(meta=meta, items=[answer(asset) for asset in found])


@router.get("/v1/assets/{asset_id}", dependencies=[Depends(public)])
async def asset(asset_id: UUID, db: Reader, site: Site, meta: Stamp) -> OneAsset:
    """One asset."""
    return OneAsset(meta=meta, asset=answer(await registry.asset(db, site.chain_id, asset_id)))


@router.post("/v1/assets/{asset_id}/token", status_code=202)
async def tokenise(asset_id: UUID, caller: Admin, db: Writer, site: Site, blocks: Documents) -> Accepted:
    """Puts the asset on chain with its papers as they stand: all fractions are its owner's."""
    root = await papers.publish(blocks, await papers.papers(db, asset_id))
    return Accepted(outbox_id=await registry.tokenise(db, site.chain, asset_id, root.digest, papers.uri(root)))


@router.post("/v1/assets/{asset_id}/status", dependencies=[Depends(admin)])
async def change_status(asset_id: UUID, body: StatusChange, db: Writer, site: Site, meta: Stamp) -> OneAsset:
    """Suspends, resumes or retires an asset: a suspended one is not sold. Holders keep fractions and revenue."""
    await registry.set_status(db, asset_id, body.status)
    return OneAsset(meta=meta, asset=answer(await registry.asset(db, site.chain_id, asset_id)))


@router.get("/v1/assets/{asset_id}/holders", dependencies=[Depends(signed_in)])
async def holders(
    asset_id: UUID,
    caller: SignedIn,
    db: Reader,
    site: Site,
    head: IndexHead,
    meta: Pinned,
    block: AtBlock = None,
) -> CapTable:
    """Who holds the asset; for its owner, its holders and operators."""
    found = await registry.asset(db, site.chain_id, asset_id)
    if not await may_see_inside(db, site.chain_id, found, caller.account, operates(caller)):
        raise Forbidden("the cap table is for the asset's owner and holders")
    items = []
    at = None if meta is None or head is None or meta.block_number >= head.number else meta.block_number
    if found.token is not None:
        items = list(await investing.cap_table(db, site.chain_id, found.token, found.supply, at))
    return CapTable(
        meta=meta, block=block, items=[Holding.model_validate(item, from_attributes=True) for item in items]
    )


async def may_see_inside(db: Reader, chain_id: int, found: Asset, account: bytes, is_operator: bool) -> bool:
    """Whether someone may see legal papers and holders."""
    return is_operator or account == found.owner or await investing.holds(db, chain_id, found.token, account)
