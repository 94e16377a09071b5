"""What is kept in order on its way to the database: readings, new baselines, faults. Pure."""

from typing import Final, TypeAlias

import msgspec

from contracts.typed_data import Reading
from node.metering.fault_kinds import Evidence, FaultKind
from node.metering.readings import SignedReading

MOST_CHARACTERS: Final = 300


class ReadingEntry(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """A signed reading."""

    meter_id: int
    time: int
    counter: int
    import_wh: int
    export_wh: int
    power_w: int
    signature: bytes
    signer: bytes

    @classmethod
    def of(cls, signed: SignedReading) -> "ReadingEntry":
        said = signed.reading
        registers = (said.import_wh, said.export_wh, said.power_w)
        return cls(said.meter_id, said.time, said.counter, *registers, signed.signature, signed.signer)

    def signed(self) -> SignedReading:
        registers = (self.import_wh, self.export_wh, self.power_w)
        return SignedReading(Reading(self.meter_id, self.time, self.counter, *registers), self.signature, self.signer)


class BaselineEntry(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """From ``since`` (Unix seconds) on, these Wh are added to what the device shows."""

    meter_id: int
    since: int
    import_base_wh: int
    export_base_wh: int
    serial: str | None
    reason: str


class FaultEntry(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    """Something was wrong with a meter at a time (Unix seconds)."""

    meter_id: int
    kind: FaultKind
    at: int
    evidence: dict[str, int | str]

    @classmethod
    def of(cls, meter_id: int, kind: FaultKind, at: int, evidence: Evidence) -> "FaultEntry":
        """With evidence that a device may have chosen made fit to be kept."""
        return cls(meter_id, kind, at, {name: _fit(value) for name, value in evidence.items()})


def _fit(value: int | str) -> int | str:
    if isinstance(value, int) and abs(value) < 1 << 63:
        return value
    return printable(str(value))[:MOST_CHARACTERS]


def printable(text: str) -> str:
    """Without what no database or terminal can take."""
    return "".join(character for character in text if character.isprintable())


Entry: TypeAlias = ReadingEntry | BaselineEntry | FaultEntry
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Entry)


def encode(entry: Entry) -> bytes:
    """Raises OverflowError for a number beyond 64 bits: ``readings.is_storable`` tells first."""
    return _ENCODER.encode(entry)


def decode(content: bytes) -> Entry:
    """What ``encode`` wrote."""
    entry: Entry = _DECODER.decode(content)
    return entry
