"""Brings computed settlements on chain, step by step: computed, attested, submitted, settled.

Each step is one look at what is known (the outbox's state, the mirrored chain) and one change in the caller's
transaction, so it can be repeated at any time. A batch that a reorganisation removed goes back to submitted; its
transaction is sent again by the outbox with the same bytes and number. One batch is in flight at a time, because what
an account can be charged depends on the batch before.
"""

import logging
from dataclasses import dataclass
from typing import Final

import asyncpg

from indexer import read
from indexer.db import Connection, queries
from node import outbox
from node.market import service as market
from node.scheduler import UNREACHABLE
from node.settlement import effects, store
from node.settlement.context import BatchImpossible, GridAccountShort, SettlementContext
from node.settlement.prepare import prepare, record

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
ATTEMPTS: Final = 3
"""How often a batch that the chain refused is built anew, with the caps of the time."""


@dataclass(frozen=True, slots=True)
class Change:
    """A settlement that came into another state."""

    settlement_id: int
    zone: int
    delivery_start: int
    version: int
    state: str
    reason: str | None = None


async def advance(db: Connection, ctx: SettlementContext) -> list[Change]:
    """Moves every settlement as far as the chain allows, and returns what changed. Needs a transaction."""
    head = await read.head(db, ctx.chain_id)
    if head is None:
        return []
    changes = []
    for row in await db.fetch(_SQL["open"], head.finalized):
        change = await _guarded(db, ctx, head, row)
        if change is not None:
            logger.info(
                "settlement %s: zone=%d delivery_start=%d reason=%s",
                change.state,
                change.zone,
                change.delivery_start,
                change.reason,
            )
            changes.append(change)
    return changes


async def _guarded(db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record) -> Change | None:
    """One step in a savepoint: what goes wrong in one slot is told there, and holds up no other."""
    try:
        async with db.transaction():
            return await _step(db, ctx, head, row)
    except Exception as error:
        # A call that takes too long, or a value that PostgreSQL cannot hold, may be this slot's alone.
        if isinstance(error, UNREACHABLE) and not isinstance(error, TimeoutError | ValueError):
            raise
        reason = f"{type(error).__name__}: {error}"
        if row["state_reason"] != reason:
            logger.exception("settlement stuck: zone=%d delivery_start=%d", row["zone"], row["delivery_start"])
            await db.execute(_SQL["set_state"], row["settlement_id"], row["state"], reason)
        return None


async def _step(db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record) -> Change | None:
    try:
        if row["state"] in ("computed", "attested"):
            return await _bring(db, ctx, head, row)
        return await _mirror(db, ctx, row)
    except BatchImpossible as error:
        return await _failed(db, row, f"{error.code}: {error}")


async def _bring(db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record) -> Change | None:
    """Submits the batch once all that it builds on is on chain; a reorganisation may have taken that back."""
    attestation = await effects.standing(db, row["zone"], row["delivery_start"], row["version"], head.number)
    if attestation.failure is not None:
        return await _failed(db, row, attestation.failure)
    if not attestation.done:
        if row["state"] == "computed":
            return None
        return await _change(db, row, "computed", "its attestation is no longer on chain")
    if row["state"] == "attested":
        return await _submit(db, ctx, row)
    attested = await _change(db, row, "attested")
    return await _submit(db, ctx, row) or attested


async def _submit(db: Connection, ctx: SettlementContext, row: asyncpg.Record) -> Change | None:
    attempt = len(await _attempts(db, row))
    if attempt >= ATTEMPTS:
        raise BatchImpossible(f"the chain refused the batch {attempt} times")
    try:
        slot = await store.load(db, ctx, row["settlement_id"])
        prepared = await prepare(db, ctx, slot)
    except GridAccountShort as error:
        if row["state_reason"] != str(error):
            logger.warning("settlement waits: zone=%d delivery_start=%d %s", row["zone"], row["delivery_start"], error)
            await db.execute(_SQL["set_state"], row["settlement_id"], "attested", str(error))
        return None
    if prepared is None:
        return None
    await record(db, ctx, row["settlement_id"], prepared)
    if prepared.batch is None:
        return await _settle_off_chain(db, row)
    await outbox.enqueue(
        db,
        key=_key(row, attempt),
        kind=effects.SETTLE,
        sender=ctx.operator,
        target=ctx.deployment.address("SettlementExchange"),
        calldata=prepared.batch.call.data,
        gas_limit=prepared.batch.call.gas_limit,
    )
    await _trades(db, row, "submitted")
    return _changed(row, "submitted")


async def _mirror(db: Connection, ctx: SettlementContext, row: asyncpg.Record) -> Change | None:
    settlement_id, sequence = row["settlement_id"], row["batch_sequence"]
    there = await read.settled_batch(db, ctx.chain_id, sequence)
    if there is not None and _is_ours(there, row):
        return await _settled(db, row, there)
    if row["state"] == "settled":
        reason = f"a reorganisation removed block {row['block_number']}"
        await db.execute(_SQL["removed"], settlement_id, reason)
        await _trades(db, row, "submitted")
        return _changed(row, "submitted", reason)
    attempts = await _attempts(db, row)
    status = attempts[-1] if attempts else None
    if status is not None and status.state == "failed":
        return await _refused(db, row, len(attempts), status.error)
    if there is not None:
        return await _refused(db, row, len(attempts), f"batch {sequence} settled another slot")
    return None


async def _settled(db: Connection, row: asyncpg.Record, there: read.Batch) -> Change | None:
    """Takes over where the batch stands; the gas is known once the sender has the receipt."""
    known, place = (row["transaction_hash"], row["block_number"]), (there.transaction_hash, there.block_number)
    if known == place and row["gas_used"] is not None:
        return None
    attempts = await _attempts(db, row)
    gas_used = attempts[-1].gas_used if attempts else None
    if known != place or gas_used is not None:
        await db.execute(_SQL["settled"], row["settlement_id"], *place, gas_used)
    if row["state"] == "settled":
        return None
    await _release(db, row, "settled")
    return _changed(row, "settled")


async def _refused(db: Connection, row: asyncpg.Record, attempts: int, error: str | None) -> Change:
    """The batch will not be on chain; its number is free, and another attempt may fare better."""
    reason = f"attempt {attempts} of {ATTEMPTS}: {error}"
    logger.warning("settlement refused: zone=%d delivery_start=%d %s", row["zone"], row["delivery_start"], reason)
    if attempts >= ATTEMPTS:
        return await _failed(db, row, reason)
    await db.execute(_SQL["withdraw"], row["settlement_id"], "attested", reason)
    await _trades(db, row, "pending")
    return _changed(row, "attested", reason)


async def _failed(db: Connection, row: asyncpg.Record, reason: str) -> Change:
    """The slot will not settle: nobody's cash stays held for it."""
    await db.execute(_SQL["withdraw"], row["settlement_id"], "failed", reason)
    await _release(db, row, "failed")
    return _changed(row, "failed", reason)


async def _settle_off_chain(db: Connection, row: asyncpg.Record) -> Change:
    """No fill and nobody owes a cash unit: there is nothing that a batch could say."""
    await db.execute(_SQL["settled_off_chain"], row["settlement_id"])
    await _release(db, row, "settled")
    return _changed(row, "settled")


async def _release(db: Connection, row: asyncpg.Record, state: str) -> None:
    """Frees what the slot's orders had locked; its trades come to their end."""
    await market.release_locks(db, zone=row["zone"], delivery_start=row["delivery_start"])
    await _trades(db, row, state)


async def _attempts(db: Connection, row: asyncpg.Record) -> list[outbox.Status]:
    """What became of every batch that was sent for a settlement."""
    found: list[outbox.Status] = []
    while (status := await outbox.find(db, _key(row, len(found)))) is not None:
        found.append(status)
    return found


def _is_ours(there: read.Batch, row: asyncpg.Record) -> bool:
    return (there.delivery_start, there.version) == (row["delivery_start"], row["version"])


def _key(row: asyncpg.Record, attempt: int) -> str:
    return effects.key(effects.SETTLE, row["zone"], row["delivery_start"], row["version"], attempt)


async def _trades(db: Connection, row: asyncpg.Record, state: str) -> None:
    await db.execute(_SQL["trades_state"], row["zone"], row["delivery_start"], state, row["settlement_id"])


async def _change(db: Connection, row: asyncpg.Record, state: str, reason: str | None = None) -> Change:
    await db.execute(_SQL["set_state"], row["settlement_id"], state, reason)
    return _changed(row, state, reason)


def _changed(row: asyncpg.Record, state: str, reason: str | None = None) -> Change:
    return Change(row["settlement_id"], row["zone"], row["delivery_start"], row["version"], state, reason)
