"""The meters of a settlement's zones: what each saw, again from the signed readings, and what was stored of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from indexer.db import Connection
from node.audit import evidence, metered, registry
from node.audit.compare import Finding, compare
from node.audit.evidence import MeterEvidence
from node.metering.service import MeterSlot
from node.settlement import merkle
from node.settlement.context import SettlementContext
from node.settlement.meters import participants, reading_leaves
from node.settlement.reads import SettlementRow


@dataclass(frozen=True, slots=True)
class ZoneSlots:
    """The participants' meters of a zone in a slot, and the root over what they saw."""

    zone: int
    slots: Sequence[MeterSlot]
    readings_root: bytes


async def check_zone(
    db: Connection, ctx: SettlementContext, row: SettlementRow, zone: int, slot_s: int
) -> tuple[ZoneSlots, list[Finding]]:
    """The zone's meter slots as they follow from the readings, and what differs."""
    start, slot_end = row.delivery_start, row.delivery_start + slot_s
    found = await evidence.meter_evidence(db, zone, start, slot_end, row.version, row.computed_at)
    # Thousands of signatures take a while; the node's other work goes on.
    proof = await asyncio.to_thread(metered.check_readings, found.readings, found.meters, found.former_keys)
    slots = {
        number: _as_known_then(
            metered.meter_slot(meter, proof.readings.get(number, ()), start, slot_end, ctx.rules.reading_gap_s), found
        )
        for number, meter in found.meters.items()
    }
    expected = {f"meter {number}": metered.slot_fields(slot) for number, slot in slots.items()}
    actual = {f"meter {number}": _all_fields(slot) for number, slot in found.stored.items()}
    findings = list(proof.findings)
    findings += compare("slot_energy", expected, actual, metered.READINGS, "telemetry.slot_energy")
    findings += await registry.check_particulars(db, ctx, found)
    if not row.version:  # a revision has the meters of the version before
        findings += await registry.check_in_use(db, ctx, row, zone, slot_end, found.stored.values())
    kept = participants(slots.values())
    leaves = reading_leaves(ctx.salt_secret, start, row.version, kept)
    return ZoneSlots(zone, kept, merkle.root(leaves)), findings


def _as_known_then(slot: MeterSlot, found: MeterEvidence) -> MeterSlot:
    """A slot that was proved only after it was settled stays as it was settled, until a revision."""
    if slot.meter_id not in found.proved_late:
        return slot
    return replace(found.stored[slot.meter_id], import_wh=0, export_wh=0)


def _all_fields(slot: MeterSlot) -> Mapping[str, object]:
    return {name: getattr(slot, name) for name in ("state", "import_wh", "export_wh")} | {
        "import_register_wh": slot.import_register_wh,
        "export_register_wh": slot.export_register_wh,
    }
