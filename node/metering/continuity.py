"""How a meter that does not sign goes on from its last reading: rollover, restart, replacement, nonsense. Pure.

A chain of readings never falls. What the device shows is therefore moved by a baseline: register = shown + baseline.
The baseline changes where the register starts again at 0, where the device lost it, and where a person has confirmed
that another device hangs there. Whatever else falls or jumps is named and not signed.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from contracts.typed_data import Reading
from contracts.units import energy_limit_wh
from node.metering.device_types import Sample
from node.metering.fault_kinds import Evidence, FaultKind
from node.metering.readings import REGISTER_RESOLUTION_WH, TIME_RESOLUTION_S


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is added to a device's registers, in Wh, and which device it is."""

    import_base_wh: int = 0
    export_base_wh: int = 0
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to be named, with what shows it."""

    kind: FaultKind
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Continued:
    """The chain goes on at these registers; ``notes`` are passing events."""

    import_wh: int
    export_wh: int
    baseline: Baseline
    notes: tuple[Noted, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing can be signed; ``note`` says why."""

    note: Noted


Verdict: TypeAlias = Continued | Stopped


def go_on(
    last: Reading | None,
    baseline: Baseline,
    sample: Sample,
    *,
    time_s: int,
    fuse_w: int,
    resets: bool = False,
    uptime_s: int | None = None,
) -> Verdict:
    """What follows ``last`` when the device shows ``sample`` at ``time_s``.

    Args:
        last: the last reading of the chain; None for the meter's first.
        fuse_w: the most power that the connection carries.
        resets: the device's registers start at 0 when it starts.
        uptime_s: how long the device said it was running at the last reading.
    """
    if sample.serial and baseline.serial and sample.serial != baseline.serial:
        shown = {"import_wh": sample.import_wh, "export_wh": sample.export_wh}
        return Stopped(Noted(FaultKind.REPLACED, {"was": baseline.serial, "serial": sample.serial, **shown}))
    baseline = replace(baseline, serial=sample.serial or baseline.serial)
    registers = (sample.import_wh + baseline.import_base_wh, sample.export_wh + baseline.export_base_wh)
    if last is None:
        if min(registers) < 0:
            return Stopped(Noted(FaultKind.REGISTER_FELL, {"import_wh": registers[0], "export_wh": registers[1]}))
        return Continued(*registers, baseline)
    limit_wh = energy_limit_wh(fuse_w, max(0, time_s - last.time) + TIME_RESOLUTION_S) + REGISTER_RESOLUTION_WH
    restarted = sample.uptime_s is not None and uptime_s is not None and sample.uptime_s < uptime_s
    notes = [Noted(FaultKind.REBOOTED, {"uptime_s": sample.uptime_s or 0, "was": uptime_s or 0})] if restarted else []
    bases = [baseline.import_base_wh, baseline.export_base_wh]
    found = []
    for place, (name, shown_wh, before_wh, wraps_wh) in enumerate(_pairs(last, sample)):
        moved = _moved(shown_wh, bases[place], before_wh, wraps_wh, limit_wh, may_restart=restarted or resets)
        if isinstance(moved, FaultKind):
            return Stopped(Noted(moved, {"register": name, "was_wh": before_wh, "shows_wh": shown_wh + bases[place]}))
        kind, base_wh = moved
        if kind is not None:
            notes.append(Noted(kind, {"register": name, "was_wh": before_wh, "shows_wh": shown_wh + bases[place]}))
        bases[place] = base_wh
        found.append(shown_wh + base_wh)
    return Continued(found[0], found[1], replace(baseline, import_base_wh=bases[0], export_base_wh=bases[1]), (*notes,))


def _pairs(last: Reading, sample: Sample) -> list[tuple[str, int, int, int | None]]:
    return [
        ("import", sample.import_wh, last.import_wh, sample.import_wraps_wh),
        ("export", sample.export_wh, last.export_wh, sample.export_wraps_wh),
    ]


def _moved(
    shown_wh: int, base_wh: int, before_wh: int, wraps_wh: int | None, limit_wh: int, *, may_restart: bool
) -> FaultKind | tuple[FaultKind | None, int]:
    """The event and the new baseline of one register, or why it cannot be believed."""
    now_wh = shown_wh + base_wh
    if now_wh >= before_wh:
        return (None, base_wh) if now_wh - before_wh <= limit_wh else FaultKind.OVER_FUSE
    if may_restart and 0 <= shown_wh <= limit_wh:
        return FaultKind.REBOOTED, before_wh
    if wraps_wh:
        times = -(-(before_wh - now_wh) // wraps_wh)
        if now_wh + times * wraps_wh - before_wh <= limit_wh:
            return FaultKind.ROLLED_OVER, base_wh + times * wraps_wh
    return FaultKind.REGISTER_FELL
