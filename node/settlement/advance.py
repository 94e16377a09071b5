"""Brings computed settlements on chain, step by step: computed, attested, submitted, settled.

Each step is one look at what is known (the outbox's state, the mirrored chain) and one change in the caller's
transaction, so it can be repeated at any time. A batch that a reorganisation removed goes back to submitted; its
transaction is sent again by the outbox with the same bytes and number. One batch is in flight at a time, because what
an account can be charged depends on the batch before. A slot that takes several is submitted until the last of them is
on chain; the next one is made when the mirror shows the one before.

Slots are submitted in their order, over all zones: the exchange's account lane (lane 0) takes nothing of a slot before
the last one that it was used for. So that no slot holds up the market for ever, one that does not get on fails after
``PATIENCE_S``.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from indexer import read
from indexer.db import Connection, queries
from node import outbox
from node.market import service as market
from node.scheduler import UNREACHABLE
from node.settlement import batches, effects, store
from node.settlement.attempts import are_refused, attempts_of, first_missing, key
from node.settlement.batches import BatchRow, batches_of
from node.settlement.context import BatchImpossible, GridAccountShort, SettlementContext
from node.settlement.prepare import Turn, prepare, record
from node.settlement.refused import ATTEMPTS, Tally, tally

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
PATIENCE_S: Final = 86_400
"""How long after it was computed a slot may wait for the grid account's means, for slots that are not computed, or for
a fault to pass; in real seconds."""


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
    """One step in a savepoint: what goes wrong in one slot is told there. Later slots wait for it, but not for ever."""
    try:
        async with db.transaction():
            return await _step(db, ctx, head, row)
    except Exception as error:
        reason = _fault(error)
        if row["state_reason"] != reason:
            logger.exception("settlement stuck: zone=%d delivery_start=%d", row["zone"], row["delivery_start"])
            await db.execute(_SQL["set_state"], row["settlement_id"], row["state"], reason)
        if not _is_overdue(row) or not (row["state_reason"] or "").startswith(type(error).__name__):
            return None
    return await _give_up(db, ctx, row, reason)


async def _give_up(db: Connection, ctx: SettlementContext, row: asyncpg.Record, reason: str) -> Change | None:
    """Ends a slot that has waited too long; what is on its way to the chain comes to its end there first."""
    try:
        async with db.transaction():
            if await first_missing(db, ctx.chain_id, row, await batches_of(db, row["settlement_id"])) is not None:
                return None
            return await _failed(db, ctx, row, f"given up after {row['age_s']} s: {reason}")
    except Exception as error:
        _fault(error)
        logger.exception("settlement cannot be given up: zone=%d delivery_start=%d", row["zone"], row["delivery_start"])
        return None


def _fault(error: Exception) -> str:
    """What is wrong with one slot; raises where it may be wrong with everything.

    A call that takes too long, or a value that PostgreSQL cannot hold, may be this slot's alone.
    """
    if isinstance(error, UNREACHABLE) and not isinstance(error, TimeoutError | ValueError):
        raise error
    return f"{type(error).__name__}: {error}"


async def _step(db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record) -> Change | None:
    try:
        if row["state"] in ("computed", "attested"):
            return await _bring(db, ctx, head, row)
        return await _mirror(db, ctx, head, row)
    except BatchImpossible as error:
        return await _failed(db, ctx, row, f"{error.code}: {error}")


async def _bring(db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record) -> Change | None:
    """Submits the batch once all that it builds on is on chain; a reorganisation may have taken that back."""
    attestation = await effects.standing(db, row["zones"], row["delivery_start"], row["version"], head.number)
    if attestation.failure is not None:
        return await _failed(db, ctx, row, attestation.failure)
    if not attestation.done:
        if row["state"] == "computed":
            return None
        return await _change(db, row, "computed", "its attestation is no longer on chain")
    if row["state"] == "attested":
        return await _begin(db, ctx, head, row)
    attested = await _change(db, row, "attested")
    return await _begin(db, ctx, head, row) or attested


async def _begin(db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record) -> Change | None:
    # Every computed slot comes to an end; a zone that is no longer served may never compute the rest of its own.
    earlier = await db.fetchrow(_SQL["earlier"], row["delivery_start"], row["age_s"] <= PATIENCE_S)
    if earlier is not None and not row["version"]:
        await _wait(db, row, f"waits for slot {earlier['delivery_start']} of zone {earlier['zone']}", logging.INFO)
        return None
    return await _submit(db, ctx, head, row, 0)


async def _submit(
    db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record, ordinal: int
) -> Change | None:
    """Makes a batch of the settlement, its first or the one that follows those on chain."""
    settlement_id = row["settlement_id"]
    attempts = await attempts_of(db, row, ordinal)
    if any((status.block_number or 0) > head.number for status in attempts):
        return None  # The mirror does not show yet why the last one was refused.
    refused = await _tally(db, ctx, row, attempts)
    if refused.exhausted:
        raise BatchImpossible(f"the chain refused the batch {refused.attempts} times")
    voids = await store.voided(db, settlement_id)
    fixed = {digest: batch for digest, batch in voids.items() if batch < ordinal or row["version"] > 0}
    turn = Turn(settlement_id, row["zones"], ordinal, fixed, refused.withheld)
    try:
        prepared = await prepare(db, ctx, await store.load(db, ctx, settlement_id), turn)
    except GridAccountShort as error:
        if row["age_s"] > PATIENCE_S:
            return await _failed(db, ctx, row, f"{error.code}: waited {row['age_s']} s: {error}")
        await _wait(db, row, str(error), logging.WARNING)
        return None
    if prepared is None:
        return None
    await record(db, ctx, turn, prepared)
    if prepared.batch is None:
        return await _end(db, ctx, row)
    await outbox.enqueue(
        db,
        key=key(row, ordinal, len(attempts)),
        kind=effects.SETTLE,
        sender=ctx.operator,
        target=ctx.deployment.address("SettlementExchange"),
        calldata=prepared.batch.call.data,
        gas_limit=prepared.batch.call.gas_limit,
    )
    await _trades(db, ctx, row, "submitted", ordinal)
    return _changed(row, "submitted")


async def _mirror(db: Connection, ctx: SettlementContext, head: read.Head, row: asyncpg.Record) -> Change | None:
    """Looks where the batches stand, in their order; makes the next one when all those before it are on chain."""
    made = await batches_of(db, row["settlement_id"])
    missing = await first_missing(db, ctx.chain_id, row, made)
    if missing is not None:
        first, there = missing
        return await _missing(db, ctx, head, row, made[first.ordinal :], there)
    if row["state"] == "failed" and any(batch.block_number is None for batch in made):
        await _trades(db, ctx, row, "failed", len(made))
    if row["state"] != "submitted":
        return None
    if len(made) < row["batches"]:
        return await _submit(db, ctx, head, row, len(made))
    return await _end(db, ctx, row)


async def _missing(
    db: Connection,
    ctx: SettlementContext,
    head: read.Head,
    row: asyncpg.Record,
    missing: Sequence[BatchRow],
    there: read.Batch | None,
) -> Change | None:
    """The first of these batches is not on chain, and so the later ones are not."""
    first = missing[0]
    if row["state"] == "failed":
        await _missing_of_failed(db, ctx, head, row, missing, there)
        return None
    if first.block_number is not None:
        reason = f"a reorganisation removed block {first.block_number}"
        await batches.remove(db, row["settlement_id"], first.ordinal)
        await db.execute(_SQL["removed"], row["settlement_id"], reason)
        await _trades(db, ctx, row, "submitted", first.ordinal)
        return _changed(row, "submitted", reason)
    attempts = await attempts_of(db, row, first.ordinal)
    if attempts and attempts[-1].state == "failed":
        if await are_refused(db, head, row, missing):
            return await _refused(db, ctx, row, first, attempts, attempts[-1].error)
    elif there is not None:
        return await _refused(db, ctx, row, first, attempts, f"batch {first.sequence} settled another slot")
    return None


async def _missing_of_failed(
    db: Connection,
    ctx: SettlementContext,
    head: read.Head,
    row: asyncpg.Record,
    missing: Sequence[BatchRow],
    there: read.Batch | None,
) -> None:
    """A reorganisation removed batches of a failed settlement: they come again, or their numbers are free."""
    first = missing[0]
    if first.block_number is not None:
        logger.warning("failed settlement lost a batch: zone=%d delivery_start=%d", row["zone"], row["delivery_start"])
        await batches.remove(db, row["settlement_id"], first.ordinal)
        await _trades(db, ctx, row, "failed", first.ordinal)
    if there is not None or await are_refused(db, head, row, missing):
        await batches.withdraw(db, row["settlement_id"], first.ordinal)


async def _refused(
    db: Connection,
    ctx: SettlementContext,
    row: asyncpg.Record,
    batch: BatchRow,
    attempts: Sequence[outbox.Status],
    error: str | None,
) -> Change:
    """The batch will not be on chain; its number is free, and another attempt may fare better."""
    before, now = [await _tally(db, ctx, row, attempts[:end]) for end in (len(attempts) - 1, len(attempts))]
    counted = f"attempt {now.counted} of {ATTEMPTS}"
    excused = f"attempt {now.attempts}, an account's own doing and not counted"
    reason = f"{counted if now.counted > before.counted else excused}: {error}"
    logger.warning("settlement refused: zone=%d delivery_start=%d %s", row["zone"], row["delivery_start"], reason)
    await batches.withdraw(db, row["settlement_id"], batch.ordinal)
    if now.exhausted:
        logger.error(
            "settlement given up: zone=%d delivery_start=%d attempts=%d counted=%d",
            row["zone"],
            row["delivery_start"],
            now.attempts,
            now.counted,
        )
        return await _failed(db, ctx, row, reason)
    state = "submitted" if batch.ordinal else "attested"
    await db.execute(_SQL["set_state"], row["settlement_id"], state, reason)
    await _trades(db, ctx, row, "submitted" if batch.ordinal else "pending", batch.ordinal)
    return _changed(row, state, reason)


async def _tally(
    db: Connection, ctx: SettlementContext, row: asyncpg.Record, attempts: Sequence[outbox.Status]
) -> Tally:
    traded = await db.fetch(_SQL["traded"], row["zones"], row["delivery_start"])
    orders = {entry["account"]: entry["orders"] for entry in traded}
    return tally((status.error for status in attempts), orders, ctx.grid_account)


async def _failed(db: Connection, ctx: SettlementContext, row: asyncpg.Record, reason: str) -> Change:
    """The slot will not settle any further: nobody's cash stays held for it. What is on chain of it stands."""
    on_chain = [batch for batch in await batches_of(db, row["settlement_id"]) if batch.block_number is not None]
    await batches.withdraw(db, row["settlement_id"], len(on_chain))
    await db.execute(_SQL["failed"], row["settlement_id"], reason)
    await _release(db, ctx, row, "failed", len(on_chain))
    return _changed(row, "failed", reason)


async def _end(db: Connection, ctx: SettlementContext, row: asyncpg.Record) -> Change:
    """All of it is on chain, or there was nothing that a batch could say: no fill, and nobody owes a cash unit."""
    await db.execute(_SQL["settled"], row["settlement_id"])
    await _release(db, ctx, row, "settled", len(await batches_of(db, row["settlement_id"])))
    return _changed(row, "settled")


async def _release(db: Connection, ctx: SettlementContext, row: asyncpg.Record, state: str, on_chain: int) -> None:
    """Frees what the slot's orders had locked; its trades come to their end."""
    if row["version"]:
        return
    await market.release_locks(db, row["delivery_start"], row["zone"])
    await _trades(db, ctx, row, state, on_chain)


def _is_overdue(row: asyncpg.Record) -> bool:
    return row["state"] in ("computed", "attested", "submitted") and row["age_s"] > PATIENCE_S


async def _trades(db: Connection, ctx: SettlementContext, row: asyncpg.Record, state: str, on_chain: int) -> None:
    """The trades of the slot, of which those in the first ``on_chain`` batches are settled. A revision moves none."""
    if row["version"]:
        return
    await db.execute(_SQL["trades_state"], row["zones"], row["delivery_start"], state, row["settlement_id"], on_chain)


async def _wait(db: Connection, row: asyncpg.Record, reason: str, level: int) -> None:
    """Says once what an attested settlement waits for."""
    if row["state_reason"] != reason:
        state = "submitted" if row["state"] == "submitted" else "attested"
        logger.log(level, "settlement waits: zone=%d delivery_start=%d %s", row["zone"], row["delivery_start"], reason)
        await db.execute(_SQL["set_state"], row["settlement_id"], state, reason)


async def _change(db: Connection, row: asyncpg.Record, state: str, reason: str | None = None) -> Change:
    await db.execute(_SQL["set_state"], row["settlement_id"], state, reason)
    return _changed(row, state, reason)


def _changed(row: asyncpg.Record, state: str, reason: str | None = None) -> Change:
    return Change(row["settlement_id"], row["zone"], row["delivery_start"], row["version"], state, reason)
