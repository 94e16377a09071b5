"""The meters' side of a slot, again from nothing but the signed readings."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from contracts.typed_data import BadSignature, Reading, checksum
from node.audit.compare import Finding
from node.metering.readings import Register, SignedReading, State, energy_between, register_at, validate
from node.metering.service import Meter, MeterSlot

READINGS = "signed readings"
REMEMBERED: Final = 1 << 15
"""A reading at the end of a slot proves the start of the next one, too: its signature is not computed twice."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The readings of a slot that hold, by meter and in time, and what is wrong with the others."""

    readings: Mapping[int, Sequence[Reading]]
    findings: tuple[Finding, ...]


def check_readings(
    signed: Iterable[SignedReading], meters: Mapping[int, Meter], former: Mapping[tuple[int, bytes], int] | None = None
) -> Proof:
    """Checks every reading's signature against its meter's key, and that each extends the one before.

    Args:
        former: until when (Unix seconds) each former key of a meter signed. A new key's counter begins anew.
    """
    keys = former or {}
    signers: dict[int, bytes] = {}
    valid: dict[int, list[Reading]] = defaultdict(list)
    findings = []
    for item in signed:
        meter = meters.get(item.reading.meter_id)
        if meter is None:
            continue
        signs = _signs_at(meter, item, keys)
        before = valid[meter.meter_id]
        if before and signers[meter.meter_id] != item.signer:
            before = [replace(before[-1], counter=-1)]
        fault = _fault(item, meter if signs == meter.key else replace(meter, key=signs), before)
        if fault is None:
            signers[meter.meter_id] = item.signer
            valid[meter.meter_id].append(item.reading)
        else:
            findings.append(fault)
    return Proof(valid, tuple(findings))


def _signs_at(meter: Meter, item: SignedReading, former: Mapping[tuple[int, bytes], int]) -> bytes:
    """The key that may have signed this reading: the meter's, or a former one while it still was."""
    until = former.get((meter.meter_id, item.signer))
    if until is None:
        return meter.key
    return item.signer if item.reading.time <= until else bytes(20)


def _fault(item: SignedReading, meter: Meter, before: Sequence[Reading]) -> Finding | None:
    reading = item.reading
    subject = f"meter {reading.meter_id} time {reading.time} counter {reading.counter}"
    try:
        signer = _signer(reading, item.signature)
    except BadSignature as error:
        signer, said = b"", str(error)
    else:
        said = f"signed by {checksum(signer)}"
    if signer != meter.key or item.signer != meter.key:
        expected = f"signed by {checksum(meter.key)}"
        return Finding("reading", subject, expected, said, "telemetry.meters", "telemetry.readings")
    previous = before[-1] if before else None
    reason = validate(previous, item, key=meter.key, fuse_w=meter.fuse_w, now_s=reading.time, slot_s=1)
    if reason is not None:
        return Finding("reading", subject, "extends its meter's chain", str(reason), READINGS, "telemetry.readings")
    return None


@lru_cache(maxsize=REMEMBERED)
def _signer(reading: Reading, signature: bytes) -> bytes:
    return SignedReading.recovered(reading, signature).signer


def meter_slot(meter: Meter, readings: Sequence[Reading], delivery_start: int, slot_end: int, gap_s: int) -> MeterSlot:
    """Registers and energy of one meter in one slot, from its valid readings in time."""
    start, end = (_register(readings, boundary, gap_s) for boundary in (delivery_start, slot_end))
    energy = energy_between(start, end)
    return MeterSlot(
        meter_id=meter.meter_id,
        owner=meter.owner,
        kind=meter.kind,
        import_wh=energy.import_wh,
        export_wh=energy.export_wh,
        import_register_wh=end.import_wh,
        export_register_wh=end.export_wh,
        state=energy.state,
    )


def _register(readings: Sequence[Reading], boundary_s: int, gap_s: int) -> Register:
    before = [reading for reading in readings if reading.time <= boundary_s]
    after = [reading for reading in readings if reading.time >= boundary_s]
    return register_at(before[-1] if before else None, after[0] if after else None, boundary_s, gap_s)


def slot_fields(slot: MeterSlot) -> dict[str, object]:
    """What is compared of a meter's slot. Without proof there is nothing but that."""
    if slot.state != State.VALIDATED:
        return {"state": str(slot.state)}
    return {
        "state": str(slot.state),
        "import_wh": slot.import_wh,
        "export_wh": slot.export_wh,
        "import_register_wh": slot.import_register_wh,
        "export_register_wh": slot.export_register_wh,
    }
