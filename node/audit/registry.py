"""The chain's register of meters against the node's: whose they are, who signs for them, which were in use."""

from collections.abc import Iterable

from indexer import read
from indexer.db import Connection
from node.audit import evidence
from node.audit.compare import Finding, compare
from node.audit.evidence import MeterEvidence
from node.metering.service import MeterSlot
from node.settlement import merkle
from node.settlement.context import SettlementContext
from node.settlement.meters import FEEDER
from node.settlement.reads import SettlementRow


async def check_particulars(db: Connection, ctx: SettlementContext, found: MeterEvidence) -> list[Finding]:
    """Owner and key of every meter that the chain knows; a new key may still be on its way there."""
    registered = {meter.meter_id: meter for meter in await read.meters(db, ctx.chain_id)}
    common = [number for number in found.meters if number in registered and number not in found.rekeyed]
    return compare(
        "meter",
        {f"meter {number}": {"owner": registered[number].owner, "key": registered[number].key} for number in common},
        {
            f"meter {number}": {"owner": found.meters[number].owner, "key": found.meters[number].key}
            for number in common
        },
        "blockchain.meters",
        "telemetry.meters",
    )


async def check_in_use(
    db: Connection, ctx: SettlementContext, row: SettlementRow, zone: int, slot_end: int, stored: Iterable[MeterSlot]
) -> list[Finding]:
    """The slot was settled with the meters that the chain had in use, feeders apart, and with no others.

    A meter that was set between the slot's start and the attestation may be in or out.
    """
    attested = await read.attested_registers(db, ctx.chain_id, slot_end, zone)
    blocks = [entry.block_number for entry in attested if entry.readings_root != merkle.EMPTY_ROOT]
    last_block = min(blocks, default=row.block_number)
    if last_block is None:
        head = await read.head(db, ctx.chain_id)
        last_block = head.number if head else 0
    register = await evidence.register(db, ctx.chain_id, zone, row.delivery_start, last_block)
    feeders = {slot.meter_id for slot in stored if slot.kind == FEEDER}
    settled = {slot.meter_id for slot in stored} - feeders
    in_use = (register.throughout - feeders) | (settled & register.ever)
    return compare(
        "meter",
        {f"meter {number}": {"in_use": True} for number in in_use},
        {f"meter {number}": {"in_use": True} for number in settled},
        "meters in use on chain",
        "telemetry.slot_energy",
    )
