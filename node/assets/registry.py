"""Plants as assets: entered, put on chain as a token of fractions, found by place and state.

A row begins as `pending`; `tokenise` asks for its token, and once the mirrored chain shows it the asset is `active`.
What the chain says (token, holders, offer) is read from the mirror with every answer, never copied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
from eth_hash.auto import keccak

from contracts.abi import encode_call
from indexer.db import Connection, queries
from node import outbox
from node.assets import news
from node.assets.news import Changed
from node.errors import Conflict, NotFound
from node.participants import ChainContext

SQL = queries(__name__)

NEXT: Final[Mapping[str, frozenset[str]]] = {
    "pending": frozenset({"retired"}),
    "active": frozenset({"suspended", "retired"}),
    "suspended": frozenset({"active", "retired"}),
    "retired": frozenset(),
}
"""What an administrator may make of an asset; `tokenising` and `active` come by themselves."""


class AssetNotFound(NotFound):
    """There is no such asset."""

    code = "asset-not-found"


class PlantTaken(Conflict):
    """The plant is an asset already."""

    code = "plant-taken"


class AssetState(Conflict):
    """The asset is in another state than this needs."""

    code = "asset-state"


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, WGS 84."""

    lat: Decimal
    lon: Decimal


@dataclass(frozen=True, slots=True)
class NewAsset:
    """A plant to be entered. ``plant_id`` is the name that its meters carry."""

    owner: bytes
    plant_id: str
    name: str
    symbol: str
    supply: int
    asset_type: str
    capacity_kw: Decimal | None
    place: Place | None
    commissioned_on: date | None


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset with what the mirrored chain says of it. Money in payment token units."""

    id: UUID
    token_id: int
    name: str
    location_lat: Decimal | None
    location_lon: Decimal | None
    capacity_kw: Decimal | None
    asset_type: str
    status: str
    created_at: datetime
    owner: bytes
    """Who entered it, until it is on chain; from then on who owns it there."""
    plant_id: str
    symbol: str
    supply: int
    commissioned_on: date | None
    outbox_id: int | None
    token: bytes | None
    """Address of the AssetToken."""
    documents_root: bytes | None
    metadata_uri: str | None
    offer_price: int | None
    offer_fractions: int
    """Still for sale now."""
    offer_until: datetime | None
    holders: int
    revenue: int
    """All that was ever paid in."""
    distance_m: float | None = None


async def register(db: Connection, new: NewAsset) -> UUID:
    """Enters a plant; nothing is on chain yet.

    Raises:
        PlantTaken: another asset has its name.
    """
    place = new.place
    try:
        async with db.transaction():
            return UUID(
                str(
                    await db.fetchval(
                        SQL["register"],
                        new.owner,
                        new.plant_id,
                        new.name,
                        new.symbol,
                        new.supply,
                        new.asset_type,
                        new.capacity_kw,
                        place and place.lat,
                        place and place.lon,
                        new.commissioned_on,
                    )
                )
            )
    except asyncpg.UniqueViolationError as error:
        raise PlantTaken(f"plant {new.plant_id!r} is an asset already") from error


async def tokenise(db: Connection, chain: ChainContext, asset_id: UUID, root: bytes, uri: str) -> int:
    """Asks for the asset's token, with its papers as they stand; asked again it finds the first request, which is sent
    once more where it failed.

    Raises:
        AssetNotFound: there is none.
        AssetState: it is retired.
    """
    row = await db.fetchrow(SQL["lock"], asset_id)
    if row is None:
        raise AssetNotFound(f"no asset {asset_id}")
    if row["status"] not in ("pending", "tokenising"):
        raise AssetState(f"asset {asset_id} is {row['status']}, and is tokenised once")
    if row["outbox_id"] is not None:
        if row["outbox_state"] == "failed":
            await outbox.retry(db, row["outbox_id"])
        return int(row["outbox_id"])
    creation = (
        row["token_id"],
        keccak(row["plant_id"].encode()),
        row["owner"],
        int(row["supply"]),
        row["name"],
        row["symbol"],
        root,
        uri,
    )
    outbox_id = await chain.send(
        db,
        key=f"asset:{asset_id}",
        kind="create_asset",
        contract="AssetFactory",
        calldata=encode_call("AssetFactory", "createAsset", creation),
    )
    await db.execute(SQL["tokenising"], asset_id, outbox_id)
    return outbox_id


async def set_status(db: Connection, asset_id: UUID, status: str) -> None:
    """Suspends, resumes or retires an asset; said again it changes nothing.

    Raises:
        AssetNotFound: there is none.
        AssetState: one cannot come to this from its present state.
    """
    row = await db.fetchrow(SQL["lock"], asset_id)
    if row is None:
        raise AssetNotFound(f"no asset {asset_id}")
    if row["status"] == status:
        return
    was_refused = row["status"] == "tokenising" and row["outbox_state"] == "failed"
    if status not in NEXT.get("pending" if was_refused else row["status"], frozenset()):
        raise AssetState(f"asset {asset_id} is {row['status']} and cannot become {status}")
    await db.execute(SQL["set_status"], asset_id, status)
    await news.happened(db, asset_id, "status", status=status)


async def follow(db: Connection, chain_id: int) -> Changed:
    """Makes assets active whose token the mirrored chain shows, and pending again where a reorganisation took it."""
    changed = Changed()
    for row in await db.fetch(SQL["follow"], chain_id):
        changed.assets.add(row["id"])
        changed.users |= await news.happened(db, row["id"], "status", status=row["status"])
    return changed


async def asset(db: Connection, chain_id: int, asset_id: UUID) -> Asset:
    """One asset. Raises AssetNotFound."""
    row = await db.fetchrow(SQL["asset"], chain_id, asset_id)
    if row is None:
        raise AssetNotFound(f"no asset {asset_id}")
    return _asset(row)


async def assets(
    db: Connection,
    chain_id: int,
    *,
    status: str | None = None,
    asset_type: str | None = None,
    owner: bytes | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Asset]:
    """A page of assets, newest first; ``before`` is the last page's lowest ``token_id``."""
    rows = await db.fetch(SQL["assets"], chain_id, status, asset_type, owner, before, limit)
    return [_asset(row) for row in rows]


async def nearest(db: Connection, chain_id: int, place: Place, radius_m: float, limit: int) -> list[Asset]:
    """Assets within a radius, nearest first, on a sphere (earthdistance: at most 0.3 % off)."""
    rows = await db.fetch(SQL["nearest"], chain_id, float(place.lat), float(place.lon), radius_m, limit)
    return [_asset(row) for row in rows]


def _asset(row: Any) -> Asset:
    values = dict(row)
    for name in ("supply", "offer_price", "offer_fractions", "revenue"):
        values[name] = None if values[name] is None else int(values[name])
    return Asset(**values)
