"""Plants as assets, through the public API: what an operator and an owner do."""

import msgspec

from api.client import results
from api.client.client import Client
from contracts.typed_data import checksum


class Asset(msgspec.Struct):
    """An asset as the API tells it."""

    id: str
    token_id: int
    plant_id: str
    name: str
    status: str
    token: str | None
    offer_fractions: str


class _One(msgspec.Struct):
    asset: Asset


class _Many(msgspec.Struct):
    items: list[Asset]


class Paper(msgspec.Struct):
    """A file of an asset."""

    path: str
    cid: str


async def assets(client: Client) -> list[Asset]:
    """The newest assets, at most 500."""
    return (await client.call("GET", "/v1/assets", _Many, query={"limit": 500})).items


async def register(client: Client, owner: bytes, plant_id: str, name: str, symbol: str, supply: int) -> Asset:
    """Enters a plant. Operators only."""
    body = {"owner": checksum(owner), "plant_id": plant_id, "name": name, "symbol": symbol, "supply": str(supply)}
    return (await client.call("POST", "/v1/assets", _One, body=body, repeatable=False)).asset


async def put_paper(client: Client, asset_id: str, path: str, data: bytes) -> Paper:
    """Puts a file up as ``folder/name``. The asset's owner or operators."""
    return await client.call("PUT", f"/v1/assets/{asset_id}/documents/{path}", Paper, content=data)


async def tokenise(client: Client, asset_id: str) -> results.Accepted:
    """Has the asset's token created. Operators only."""
    return await client.call("POST", f"/v1/assets/{asset_id}/token", results.Accepted)
