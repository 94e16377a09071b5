"""What the auditor found when it recomputed each slot from signed readings to the ledger."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from api.deps import Reader, Site, public
from api.rest.fields import Answer, Hash, Instant, ZoneNumber
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


class Anchor(Answer):
    """From ``block_number`` on no entry of ``log`` up to ``sequence`` can change unseen; null: not on chain yet."""

    log: str
    day: date
    sequence: int
    hash: Hash
    transaction_hash: Hash | None
    block_number: int | None


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


@router.get("/v1/audit/anchors")
async def anchors(
    db: Reader,
    site: Site,
    meta: Stamp,
    wanted: Wanted,
    log: Annotated[Literal["audit.audit_logs", "trading.events"] | None, Query()] = None,
) -> Page[Anchor]:
    """Which entry of the log of changes and of the market's sequence was put on chain on each market day, newest first.

    On chain it is an attestation (`RegistersAttested`) of no registers: `slotEnd` is the entry's number, `readingsRoot`
    its hash, `zone` 4294967295 or 4294967294.
    """
    rows = await db.fetch(SQL["anchors"], site.chain_id, log, wanted.after, wanted.fetch)
    kept, cursor = wanted.cut(rows, "key")
    return Page(meta=meta, items=[Anchor.model_validate(dict(row)) for row in kept], next_cursor=cursor)
