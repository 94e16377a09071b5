"""What a settlement asks of the production ledger before its batch: attested registers, and the energy out of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.settlement_batch import encode_registers
from indexer.db import Connection, queries
from node import outbox
from node.metering.service import MeterSlot
from node.settlement import calldata, merkle
from node.settlement.context import SettlementContext
from node.settlement.meters import proved
from node.settlement.outcome import Outcome

_SQL = queries(__name__)
BASELINE: Final = "baseline"
ATTEST: Final = "attest"
ISSUE: Final = "issue"
SETTLE: Final = "settle"


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether all that was asked for is on chain, and what of it never will be."""

    done: bool
    failure: str | None = None


def key(effect: str, zone: int, delivery_start: int, version: int, attempt: int = 0) -> str:
    """Names one effect of a settlement on chain in the outbox: asking twice sends once."""
    name = f"{effect}:{zone}:{delivery_start}:{version}"
    return f"{name}:{attempt}" if attempt else name


async def standing(db: Connection, zone: int, delivery_start: int, version: int, head: int) -> Standing:
    """Looks at what ``request`` asked for, as mirrored up to block ``head``."""
    for effect in (BASELINE, ATTEST, ISSUE):
        status = await outbox.find(db, key(effect, zone, delivery_start, version))
        if status is None:
            continue
        if status.state == "failed":
            return Standing(done=False, failure=f"{effect}: {status.error}")
        if not status.succeeded or status.block_number is None or status.block_number > head:
            return Standing(done=False)
    return Standing(done=True)


async def request(
    db: Connection, ctx: SettlementContext, outcome: Outcome, meters: Sequence[MeterSlot], slot_end: int
) -> None:
    """Asks for the attestation of all proved meters, and for the issue of what they fed in."""
    known = proved(meters)
    if not known:
        return
    await _request_baseline(db, ctx, outcome, known)
    registers = encode_registers([(meter.meter_id, meter.export_register_wh) for meter in known])
    attestation = calldata.attest(outcome.zone, slot_end, outcome.readings_root, registers, len(known))
    await _enqueue(db, ctx, ATTEST, outcome, attestation)
    producing = [meter.meter_id for meter in known if meter.export_wh]
    if producing:
        await _enqueue(db, ctx, ISSUE, outcome, calldata.issue(producing))


async def _request_baseline(
    db: Connection, ctx: SettlementContext, outcome: Outcome, meters: Sequence[MeterSlot]
) -> None:
    """A meter's first attestation issues nothing, so it is made for the register before its first slot."""
    attested = {
        row["meter_id"]
        for row in await db.fetch(_SQL["attested_meters"], ctx.chain_id, [meter.meter_id for meter in meters])
    }
    new = [
        (meter.meter_id, meter.export_register_wh - meter.export_wh)
        for meter in meters
        if meter.meter_id not in attested
    ]
    if new:
        registers = encode_registers(new)
        call = calldata.attest(outcome.zone, outcome.delivery_start, merkle.EMPTY_ROOT, registers, len(new))
        await _enqueue(db, ctx, BASELINE, outcome, call)


async def _enqueue(db: Connection, ctx: SettlementContext, effect: str, outcome: Outcome, call: calldata.Call) -> None:
    await outbox.enqueue(
        db,
        key=key(effect, outcome.zone, outcome.delivery_start, outcome.version),
        kind=effect,
        sender=ctx.operator,
        target=ctx.deployment.address("ProductionLedger"),
        calldata=call.data,
        gas_limit=call.gas_limit,
    )
