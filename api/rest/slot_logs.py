"""The continuous trading of a slot whose gate has closed, for everyone to match again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, public
from api.rest.fields import Answer, Hash, Instant, Octets, Second, ZoneNumber
from api.rest.meta import Meta, Stamp
from indexer.db import queries
from node.errors import NotFound

router = APIRouter(tags=["markets"], dependencies=[Depends(public)])
SQL = queries(__name__)


class SlotLog(Answer):
    """Every event of the slot's book, in canonical bytes, and the hashes that the market's sequence commits to."""

    meta: Meta | None
    area: int
    """The zones that trade with each other, by the smallest."""
    delivery_start: Instant
    log: Octets
    log_hash: Hash
    replay_hash: Hash
    """Of the trades that follow, and of the book that is left."""
    sequence: int
    """The event that commits to both hashes."""


@router.get("/v1/markets/{zone}/log")
async def log(zone: ZoneNumber, delivery_start: Annotated[Second, Query()], db: Reader, meta: Stamp) -> SlotLog:
    """Published when the gate closes, where the market trades continuously; not found before and otherwise."""
    row = await db.fetchrow(SQL["log"], zone, delivery_start)
    if row is None:
        raise NotFound
    return SlotLog(meta=meta, **dict(row))
