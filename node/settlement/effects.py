"""What a settlement asks of the production ledger before its batch: attested registers, and the energy out of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count, product
from typing import Final

from contracts.settlement_batch import MAX_REGISTERS, encode_registers
from indexer.db import Connection, queries
from node import outbox
from node.metering.service import MeterSlot
from node.settlement import calldata, merkle
from node.settlement.context import SettlementContext
from node.settlement.meters import proved

_SQL = queries(__name__)
BASELINE: Final = "baseline"
ATTEST: Final = "attest"
ISSUE: Final = "issue"
SETTLE: Final = "settle"
MOST_ISSUED: Final = 300
"""Meters of one issue: at most 45,000 gas each."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether all that was asked for is on chain, and what of it never will be."""

    done: bool
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class ZoneMeters:
    """What is committed to of one zone in a slot's settlement."""

    zone: int
    delivery_start: int
    slot_end: int
    version: int
    readings_root: bytes
    meters: Sequence[MeterSlot]


def key(effect: str, zone: int, delivery_start: int, version: int, attempt: int = 0, batch: int = 0) -> str:
    """Names one effect of a settlement on chain in the outbox: asking twice sends once."""
    name = f"{effect}:{zone}:{delivery_start}:{version}"
    if batch:
        name += f"/{batch}"
    return f"{name}:{attempt}" if attempt else name


async def standing(db: Connection, zones: Collection[int], delivery_start: int, version: int, head: int) -> Standing:
    """Looks at what ``request`` asked for, as mirrored up to block ``head``."""
    for zone, effect in product(zones, (BASELINE, ATTEST, ISSUE)):
        for batch in count():
            status = await outbox.find(db, key(effect, zone, delivery_start, version, batch=batch))
            if status is None:
                break
            if status.state == "failed":
                return Standing(done=False, failure=f"{effect}: {status.error}")
            if not status.succeeded or status.block_number is None or status.block_number > head:
                return Standing(done=False)
    return Standing(done=True)


async def request(db: Connection, ctx: SettlementContext, of: ZoneMeters) -> None:
    """Asks for the attestation of all proved meters of a zone, and for the issue of what they fed in."""
    known = proved(of.meters)
    if not known:
        return
    await _request_baseline(db, ctx, of, known)
    registers = [(meter.meter_id, meter.export_register_wh) for meter in known]
    await _attest(db, ctx, ATTEST, of, of.slot_end, of.readings_root, registers)
    producing = [meter.meter_id for meter in known if meter.export_wh]
    for number, start in enumerate(range(0, len(producing), MOST_ISSUED)):
        call = calldata.issue(producing[start : start + MOST_ISSUED])
        await _enqueue(db, ctx, ISSUE, of, call, number)


async def request_root(db: Connection, ctx: SettlementContext, of: ZoneMeters) -> None:
    """Asks for the commitment to a revision's readings. Registers have gone on: later ones hold what came late."""
    await _enqueue(db, ctx, ATTEST, of, calldata.attest(of.zone, of.slot_end, of.readings_root, b"", 0))


async def _request_baseline(
    db: Connection, ctx: SettlementContext, of: ZoneMeters, meters: Sequence[MeterSlot]
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
        await _attest(db, ctx, BASELINE, of, of.delivery_start, merkle.EMPTY_ROOT, new)


async def _attest(
    db: Connection,
    ctx: SettlementContext,
    effect: str,
    of: ZoneMeters,
    time: int,
    root: bytes,
    registers: Sequence[tuple[int, int]],
) -> None:
    for number, start in enumerate(range(0, len(registers), MAX_REGISTERS)):
        some = registers[start : start + MAX_REGISTERS]
        call = calldata.attest(of.zone, time, root, encode_registers(some), len(some))
        await _enqueue(db, ctx, effect, of, call, number)


async def _enqueue(
    db: Connection, ctx: SettlementContext, effect: str, of: ZoneMeters, call: calldata.Call, number: int = 0
) -> None:
    await outbox.enqueue(
        db,
        key=key(effect, of.zone, of.delivery_start, of.version, batch=number),
        kind=effect,
        sender=ctx.operator,
        target=ctx.deployment.address("ProductionLedger"),
        calldata=call.data,
        gas_limit=call.gas_limit,
    )
