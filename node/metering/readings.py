"""What makes a meter reading valid, and the register at a time between two readings. Pure.

A meter's readings form one chain: counter and time grow strictly, registers never fall. The chain is extended at its
end; one that was overtaken on its way is taken in between under a number (``late``), until the slots that rest on it
are final. So what a slot's version was computed from stands, and anyone recomputes it from the raw readings.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.typed_data import Reading, reading_digest, recover
from contracts.units import energy_limit_wh

TIME_RESOLUTION_S: Final = 1
"""Times are whole seconds: two readings may lie this much further apart than they say."""
REGISTER_RESOLUTION_WH: Final = 1
"""Registers are whole Wh: one may step by this much more than the energy that flowed."""
_INT64: Final = 2**63
_UINT32: Final = 2**32
_YEAR_9999: Final = 253_402_300_800


@dataclass(frozen=True, slots=True)
class SignedReading:
    """A reading with its proof. ``signer`` is recovered from the signature, never claimed."""

    reading: Reading
    signature: bytes
    signer: bytes

    @classmethod
    def recovered(cls, reading: Reading, signature: bytes) -> "SignedReading":
        """The reading with the address that signed it (EIP-712, domain "Gridtrace Meter").

        Raises:
            BadSignature: the signature is malformed.
            FieldOutOfRange: a field does not fit its Solidity type.
        """
        return cls(reading, signature, recover(reading_digest(reading), signature))


class Reason(StrEnum):
    """Why a reading is refused."""

    OUT_OF_RANGE = "out-of-range"
    UNKNOWN_METER = "unknown-meter"
    WRONG_SIGNER = "wrong-signer"
    KEY_REVOKED = "key-revoked"
    CLOCK_AHEAD = "clock-ahead"
    COUNTER_NOT_GROWING = "counter-not-growing"
    TIME_NOT_GROWING = "time-not-growing"
    REGISTER_FELL = "register-fell"
    OVER_FUSE = "over-fuse"

    @property
    def is_attributable(self) -> bool:
        """Whether the meter itself said it, so that it belongs to the meter's record.

        Anyone can send the others; keeping them would let a stranger take the place of the true reading.
        """
        return self not in (Reason.OUT_OF_RANGE, Reason.UNKNOWN_METER, Reason.WRONG_SIGNER, Reason.KEY_REVOKED)


class State(StrEnum):
    """How well a register or a slot's energy is proved."""

    VALIDATED = "VALIDATED"
    ESTIMATED = "ESTIMATED"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class Register:
    """Cumulative registers at one time, floored to whole Wh."""

    import_wh: int
    export_wh: int
    state: State


@dataclass(frozen=True, slots=True)
class Energy:
    """What flowed between two registers, in whole Wh; 0 where a register is missing."""

    import_wh: int
    export_wh: int
    state: State


def validate(
    previous: Reading | None, signed: SignedReading, *, key: bytes, fuse_w: int, now_s: float, slot_s: int
) -> Reason | None:
    """None when the reading extends the meter's chain, else why not.

    Args:
        previous: the last valid reading of the meter; None for its first.
        key: the address whose signature counts for the meter.
        fuse_w: the most power the connection carries, in W.
        now_s: market time; a reading may be less than one slot (``slot_s``) ahead of it.
    """
    reading = signed.reading
    if not is_storable(reading):
        return Reason.OUT_OF_RANGE
    if signed.signer != key:
        return Reason.WRONG_SIGNER
    if reading.time - now_s >= slot_s:
        return Reason.CLOCK_AHEAD
    return None if previous is None else succeeds(previous, reading, fuse_w)


def is_storable(reading: Reading) -> bool:
    """Whether every field has room in the database."""
    return (
        0 < reading.meter_id < _UINT32
        and 0 <= reading.time < _YEAR_9999
        and 0 <= reading.counter < _INT64
        and 0 <= reading.import_wh < _INT64
        and 0 <= reading.export_wh < _INT64
        and -_INT64 <= reading.power_w < _INT64
    )


def succeeds(previous: Reading, reading: Reading, fuse_w: int) -> Reason | None:
    """None when a meter's reading can follow another one of it, else why not."""
    if reading.counter <= previous.counter:
        return Reason.COUNTER_NOT_GROWING
    if reading.time <= previous.time:
        return Reason.TIME_NOT_GROWING
    moved_wh = (reading.import_wh - previous.import_wh, reading.export_wh - previous.export_wh)
    if min(moved_wh) < 0:
        return Reason.REGISTER_FELL
    duration_s = reading.time - previous.time + TIME_RESOLUTION_S
    if max(moved_wh) * 3_600 <= fuse_w * duration_s:
        return None
    if max(moved_wh) > energy_limit_wh(fuse_w, duration_s) + REGISTER_RESOLUTION_WH:
        return Reason.OVER_FUSE
    return None


def register_at(before: Reading | None, after: Reading | None, boundary_s: int, gap_s: int) -> Register:
    """The registers at ``boundary_s``: exact on a reading, else integer linear interpolation, floored.

    Args:
        before: the last valid reading at or before the boundary.
        after: the first valid reading at or after the boundary.
        gap_s: readings further apart than this leave the register estimated.

    Returns:
        MISSING where a side is missing; it then carries the last register known at the boundary (0 for none).
    """
    for reading in (after, before):
        if reading is not None and reading.time == boundary_s:
            return Register(reading.import_wh, reading.export_wh, State.VALIDATED)
    if before is None:
        return Register(0, 0, State.MISSING)
    if after is None:
        return Register(before.import_wh, before.export_wh, State.MISSING)
    past_s, span_s = boundary_s - before.time, after.time - before.time
    return Register(
        before.import_wh + (after.import_wh - before.import_wh) * past_s // span_s,
        before.export_wh + (after.export_wh - before.export_wh) * past_s // span_s,
        State.VALIDATED if span_s <= gap_s else State.ESTIMATED,
    )


def energy_between(start: Register, end: Register) -> Energy:
    """Energy of a slot from the registers at its ends; flooring carries each remainder into the next slot."""
    states = (start.state, end.state)
    if State.MISSING in states:
        return Energy(0, 0, State.MISSING)
    state = State.ESTIMATED if State.ESTIMATED in states else State.VALIDATED
    return Energy(end.import_wh - start.import_wh, end.export_wh - start.export_wh, state)
