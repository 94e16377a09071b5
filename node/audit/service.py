"""Keeps the auditor's results: which slots are to be checked, what was found, and for any range all differences."""

import dataclasses
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from indexer import read
from indexer.db import Connection, queries
from node.audit.chain import ChainReader, ChainReads
from node.audit.compare import Finding
from node.audit.slot import check_balances, check_slot
from node.outbox import Rpc
from node.settlement import reads
from node.settlement.context import SettlementContext

logger = logging.getLogger(__name__)

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class SlotCheck:
    """The last check of a slot, as stored."""

    zone: int
    delivery_start: int
    version: int
    differences: int
    findings: list[dict[str, Any]]
    block_number: int
    checked_at: datetime


async def check_and_store(
    db: Connection, rpc: Rpc | None, ctx: SettlementContext, zone: int, delivery_start: int
) -> list[Finding]:
    """Checks a slot and keeps the result. Needs a transaction."""
    rows = await reads.versions(db, zone, delivery_start)
    exchange = ctx.deployment.address("SettlementExchange")
    chain = None if rpc is None else ChainReader(rpc, exchange)
    findings = await check_slot(db, chain, ctx, zone, delivery_start)
    head = await read.head(db, ctx.chain_id)
    stored = [dataclasses.asdict(finding) for finding in findings]
    block = head.number if head else 0
    ended = [row for row in rows if row.state in ("settled", "failed")] or rows
    await db.execute(_SQL["forget"], zone, delivery_start)
    await db.execute(_SQL["store"], zone, delivery_start, ended[-1].version, len(stored), stored, block)
    for row in ended:
        await db.execute(_SQL["audited"], row.settlement_id, row.state, row.block_number)
    for finding in findings:
        logger.error(
            "audit difference: zone=%d delivery_start=%d kind=%s subject=%r expected=%r actual=%r",
            zone,
            delivery_start,
            finding.kind,
            finding.subject,
            finding.expected,
            finding.actual,
        )
    return findings


async def check_range(
    db: Connection, chain: ChainReads | None, ctx: SettlementContext, zone: int, start: int, end: int
) -> dict[int, list[Finding]]:
    """Every difference of a zone's settlements with ``start <= delivery_start < end``, by slot."""
    rows = await db.fetch(_SQL["slots"], zone, start, end)
    return {slot: await check_slot(db, chain, ctx, zone, slot) for slot in (row["delivery_start"] for row in rows)}


async def due(db: Connection, ctx: SettlementContext, limit: int = 20) -> list[tuple[int, int]]:
    """(zone, delivery_start) of ended settlements that were not checked since, oldest first.

    One whose block the mirror has lost waits until it is settled again.
    """
    return [(row["zone"], row["delivery_start"]) for row in await db.fetch(_SQL["due"], ctx.chain_id, limit)]


async def checks(
    db: Connection, *, zone: int | None = None, before_delivery_start: int | None = None, limit: int = 100
) -> list[SlotCheck]:
    """A page of stored checks, latest slot first."""
    rows = await db.fetch(_SQL["checks"], zone, before_delivery_start, limit)
    return [SlotCheck(**dict(row)) for row in rows]


async def totals(db: Connection) -> tuple[int, int]:
    """How many slots were checked, and the sum of their differences."""
    row = await db.fetchrow(_SQL["total"])
    assert row is not None
    return row["slots"], row["differences"]


__all__ = [
    "Finding",
    "SlotCheck",
    "check_and_store",
    "check_balances",
    "check_range",
    "check_slot",
    "checks",
    "due",
    "totals",
]
