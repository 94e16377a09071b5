"""What the auditor found when it recomputed each slot from signed readings to the ledger."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, public
from api.rest.fields import Answer, Instant, ZoneNumber
from api.rest.meta import Meta, Stamp
from api.rest.paging import Page, Wanted
from indexer.db import Connection, queries

router = APIRouter(tags=["audit"], dependencies=[Depends(public)])
SQL = queries(__name__)


class SlotCheck(Answer):
    """``differences`` is 0 where meters, trades, settlement and ledger agree."""

    zone: int
    delivery_start: Instant
    version: int
    differences: int
    findings: list[Any]
    block_number: int
    checked_at: Instant


class SlotChecks(Page[SlotCheck]):
    """``differences`` counts over all checked slots, not only this page's."""

    meta: Meta | None
    differences: int
    slots_checked: int


async def check_of(db: Connection, zone: int, delivery_start: datetime) -> SlotCheck | None:
    """The auditor's last look at a slot's newest version."""
    row = await db.fetchrow(SQL["check"], zone, delivery_start)
    return None if row is None else SlotCheck.model_validate(dict(row))


@router.get("/v1/audit/slots")
async def slot_checks(
    db: Reader, meta: Stamp, wanted: Wanted, zone: Annotated[ZoneNumber | None, Query()] = None
) -> SlotChecks:
    """Newest slots first."""
    rows = await db.fetch(SQL["slot_checks"], zone, wanted.after, wanted.fetch)
    kept, cursor = wanted.cut(rows, "key")
    totals = await db.fetchrow(SQL["totals"], zone)
    return SlotChecks(
        meta=meta,
        items=[SlotCheck.model_validate(dict(row)) for row in kept],
        next_cursor=cursor,
        differences=totals["differences"],
        slots_checked=totals["slots_checked"],
    )
