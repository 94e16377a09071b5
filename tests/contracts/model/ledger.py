"""What ProductionLedger does, in plain Python."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from contracts import typed_data
from contracts.typed_data import Reading
from tests.contracts.model.exchange import signer
from tests.contracts.model.layout import Reader
from tests.contracts.model.refusal import Refused

REGISTER_BYTES = 12
READING_BYTES = 108
MAX_REGISTERS = 2500
MAX_READINGS = 1000


@dataclass
class Meter:
    owner: bytes
    zone: int
    active: bool
    key: bytes
    power_cap_w: int
    attested_wh: int = 0
    issued_wh: int = 0
    slot_end: int = 0
    minted: bool = False
    signature_required: bool = False


@dataclass
class Ledger:
    """A refused call leaves everything as it was."""

    max_power_w: int
    correction_window_s: int
    attesters: set[bytes]
    meters: dict[int, Meter] = field(default_factory=dict)
    credited_wh: dict[bytes, int] = field(default_factory=dict)
    """What was issued into each owner's account."""

    def attest(self, sender: bytes, now_s: int, zone: int, slot_end: int, registers: bytes) -> None:
        """Registers of many meters at one time. Raises Refused."""
        entries = self._entries(sender, registers, REGISTER_BYTES, MAX_REGISTERS)
        if slot_end > now_s:
            raise Refused("SlotInFuture", slot_end, now_s)
        with_meters = []
        for read in entries:
            meter_id, register_wh = read.uint(4), read.uint(8)
            with_meters.append((meter_id, slot_end, register_wh))
        self._take(with_meters, zone, signed=False)

    def attest_signed(self, sender: bytes, now_s: int, zone: int, readings: bytes) -> None:
        """Registers that their meters signed, each at its own time. Raises Refused."""
        self._take(
            (self._verified(read, now_s) for read in self._entries(sender, readings, READING_BYTES, MAX_READINGS)),
            zone,
            signed=True,
        )

    def correct(self, now_s: int, meter_id: int, to_wh: int) -> None:
        """Lowers the last register; undoing what was minted is impossible. Raises Refused."""
        meter = self.meters[meter_id]
        if to_wh >= meter.attested_wh or (meter.minted and to_wh < meter.issued_wh):
            raise Refused("CorrectionOutOfRange", meter_id, to_wh, meter.attested_wh, meter.issued_wh)
        if now_s > meter.slot_end + self.correction_window_s:
            raise Refused("CorrectionTooLate", meter_id, meter.slot_end)
        meter.issued_wh = min(meter.issued_wh, to_wh)
        meter.attested_wh = to_wh

    def issue(self, meter_ids: Iterable[int]) -> None:
        """Whatever was attested and not issued goes to the meters' owners; no account here comes near its end."""
        for meter_id in meter_ids:
            meter = self.meters.get(meter_id)
            if meter is None or meter.attested_wh == meter.issued_wh:
                continue
            held_wh = self.credited_wh.get(meter.owner, 0) + meter.attested_wh - meter.issued_wh
            self.credited_wh[meter.owner] = held_wh
            meter.issued_wh, meter.minted = meter.attested_wh, True

    def set_power_cap(self, meter_id: int, power_w: int) -> None:
        """Raises Refused."""
        if not 0 < power_w <= self.max_power_w:
            raise Refused("PowerCapOutOfRange", power_w, self.max_power_w)
        self.meters[meter_id].power_cap_w = power_w

    def _entries(self, sender: bytes, packed: bytes, size: int, most: int) -> Iterator[Reader]:
        if sender not in self.attesters:
            raise Refused("NotAttester", sender)
        if len(packed) % size:
            raise Refused("BadRegistersLength", len(packed))
        if len(packed) > size * most:
            raise Refused("TooManyRegisters", len(packed) // size, most)
        return (Reader(packed[at : at + size]) for at in range(0, len(packed), size))

    def _verified(self, read: Reader, now_s: int) -> tuple[int, int, int]:
        meter_id, time, counter, import_wh, export_wh, power_w = (
            *(read.uint(4), read.uint(8), read.uint(8), read.uint(8), read.uint(8)),
            read.int(8),
        )
        if time > now_s:
            raise Refused("SlotInFuture", time, now_s)
        digest = typed_data.reading_digest(Reading(meter_id, time, counter, import_wh, export_wh, power_w))
        meter = self.meters.get(meter_id)
        if meter is None or signer(digest, read.uint(32), read.uint(32)) != meter.key:
            raise Refused("BadReadingSignature", meter_id, digest)
        return meter_id, time, export_wh

    def _take(self, entries: Iterable[tuple[int, int, int]], zone: int, *, signed: bool) -> None:
        before = copy.deepcopy(self.meters)
        try:
            for meter_id, time, register_wh in entries:
                self._grow(meter_id, time, register_wh, zone, signed)
        except Refused:
            self.meters = before
            raise

    def _grow(self, meter_id: int, time: int, register_wh: int, zone: int, signed: bool) -> None:
        meter = self.meters.get(meter_id)
        if meter is not None and meter.signature_required and not signed:
            raise Refused("SignatureRequired", meter_id)
        if meter is None or not meter.active or meter.zone != zone:
            raise Refused("MeterNotActive", meter_id, zone)
        if meter.slot_end:
            if time < meter.slot_end:
                raise Refused("SlotNotAfterLast", meter_id, time, meter.slot_end)
            if register_wh < meter.attested_wh:
                raise Refused("RegisterFell", meter_id, meter.attested_wh, register_wh)
            growth_wh, most_ws = register_wh - meter.attested_wh, meter.power_cap_w * (time - meter.slot_end)
            if growth_wh * 3600 > most_ws:
                raise Refused("RegisterGrewTooMuch", meter_id, growth_wh, most_ws // 3600)
        else:
            meter.issued_wh = register_wh
        meter.attested_wh, meter.slot_end = register_wh, time
