"""The meters' side of a slot, again from nothing but the signed readings."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.typed_data import BadSignature, Reading, checksum
from node.audit.compare import Finding
from node.metering.readings import Register, SignedReading, State, energy_between, register_at, validate
from node.metering.service import Meter, MeterSlot

READINGS = "signed readings"


@dataclass(frozen=True, slots=True)
class Proof:
    """The readings of a slot that hold, by meter and in time, and what is wrong with the others."""

    readings: Mapping[int, Sequence[Reading]]
    findings: tuple[Finding, ...]


def check_readings(signed: Iterable[SignedReading], meters: Mapping[int, Meter]) -> Proof:
    """Checks every reading's signature against its meter's key, and that each extends the one before."""
    valid: dict[int, list[Reading]] = defaultdict(list)
    findings = []
    for item in signed:
        meter = meters.get(item.reading.meter_id)
        if meter is None:
            continue
        fault = _fault(item, meter, valid[meter.meter_id])
        if fault is None:
            valid[meter.meter_id].append(item.reading)
        else:
            findings.append(fault)
    return Proof(valid, tuple(findings))


def _fault(item: SignedReading, meter: Meter, before: Sequence[Reading]) -> Finding | None:
    reading = item.reading
    subject = f"meter {reading.meter_id} time {reading.time} counter {reading.counter}"
    try:
        signer = SignedReading.recovered(reading, item.signature).signer
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
