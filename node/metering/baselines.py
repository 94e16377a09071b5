"""What is added to devices' registers, in PostgreSQL, and the person's word that a device was replaced."""

from collections.abc import Sequence
from typing import Any

from indexer.db import Connection, queries
from node.errors import Conflict
from node.metering import faults
from node.metering.continuity import Baseline
from node.metering.entries import BaselineEntry
from node.metering.fault_kinds import FaultKind

_SQL = queries(__name__)
REPLACED = FaultKind.REPLACED


class NotReplaced(Conflict):
    """No other device of this serial number was seen at the meter."""

    code = "meter-not-replaced"


async def store(db: Connection, entries: Sequence[BaselineEntry]) -> None:
    """Keeps new baselines; the same again changes nothing."""
    for one in entries:
        bases = (one.import_base_wh, one.export_base_wh)
        await db.execute(_SQL["store"], one.meter_id, one.since, *bases, one.serial, one.reason, None)


async def newest(db: Connection) -> dict[int, tuple[int, Baseline]]:
    """Each meter's baseline and since when it holds (Unix seconds)."""
    rows = await db.fetch(_SQL["newest"])
    return {
        row["meter_id"]: (row["since"], Baseline(row["import_base_wh"], row["export_base_wh"], row["serial"]))
        for row in rows
    }


async def confirm_replacement(db: Connection, meter_id: int, serial: str, confirmed_by: bytes) -> Baseline:
    """Begins a new baseline, so that the chain goes on from the old device's last register with the new device.

    What the new device counted before it was first seen here is its own: it is not the meter's.

    Raises:
        NotReplaced: no device of that serial number was seen in the place of another.
    """
    fault = await db.fetchrow(_SQL["replaced"], meter_id)
    seen: dict[str, Any] = dict(fault["evidence"]) if fault is not None else {}
    if fault is None or seen.get("serial") != serial:
        said = f"; the one seen is {seen['serial']}" if seen else ""
        raise NotReplaced(f"meter {meter_id}: no device {serial!r} was seen in the place of another{said}")
    last = await db.fetchrow(_SQL["last_registers"], meter_id)
    before = (0, 0) if last is None else (last["import_wh"], last["export_wh"])
    baseline = Baseline(before[0] - seen["import_wh"], before[1] - seen["export_wh"], serial)
    bases = (baseline.import_base_wh, baseline.export_base_wh)
    await db.execute(_SQL["store_after"], meter_id, fault["last_seen"], *bases, serial, REPLACED.value, confirmed_by)
    await faults.end(db, [meter_id], fault["last_seen"], [REPLACED])
    return baseline
