"""9: the ledger's bytecode against the plain model: attested, signed, corrected and issued registers, at random."""

from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from random import Random

import pytest

from contracts import typed_data
from contracts.abi import encode_call
from contracts.typed_data import Reading
from scripts.bench.evm import Revm
from tests.contracts.batches import compact
from tests.contracts.model import layout
from tests.contracts.model.ledger import Ledger, Meter
from tests.contracts.model.refusal import Refused
from tests.contracts.world import MAX_POWER_W, NOW_S, OPERATOR, STRANGER, WINDOW_S, ZONE, World, person

STEPS = 2000
METERS = (1, 2, 3, 2**32 - 1)
UNKNOWN = 9
OWNERS = tuple(person(name) for name in ("anna", "ben"))
DEVICES = tuple(person(name) for name in ("device", "other device"))
CONTRACT = "ProductionLedger"
ERRORS = {
    "BadReadingSignature",
    "BadRegistersLength",
    "CorrectionOutOfRange",
    "CorrectionTooLate",
    "MeterNotActive",
    "NotAttester",
    "PowerCapOutOfRange",
    "RegisterFell",
    "RegisterGrewTooMuch",
    "SignatureRequired",
    "SlotInFuture",
    "SlotNotAfterLast",
    "TooManyRegisters",
}


@pytest.mark.timeout(3_600)
def test_09_ledger__random_and_mutated_calls__same_verdict_and_state(times: int) -> None:
    verdicts: Counter[str] = Counter()
    for seed in range(2 * times):
        verdicts += LedgerDuel(seed).play(STEPS)
    assert verdicts[""] >= times * STEPS // 3, verdicts
    assert verdicts.keys() - {""} == ERRORS


class LedgerDuel:
    """Plays everything twice."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.evm = Revm(NOW_S)
        self.world = World(self.evm)
        self.world.allow(1, CONTRACT, "setPowerCap", "setSignatureRequired")
        self.model = Ledger(MAX_POWER_W, WINDOW_S, {OPERATOR})
        self._counter = 0
        for meter_id in METERS:
            self.set_meter(meter_id, 0, True)

    def play(self, steps: int) -> Counter[str]:
        ways = [self.attest, self.attest, self.attest_signed, self.attest_signed, self.issue, self.correct, self.set_up]
        verdicts: Counter[str] = Counter()
        for step in range(steps):
            self.evm.warp(self.evm.time_s + self.random.choice((0, 1, 900, 900, 86_400, 8 * 86_400)))
            way = self.random.choice(ways)
            try:
                verdicts[way()] += 1
                self.compare()
            except AssertionError as error:
                raise AssertionError(f"step {step}, {way.__name__}: {error}") from error
        return verdicts

    # CALLS

    def attest(self) -> str:
        meters = [self.random.choice((*METERS, UNKNOWN) if self.random.random() < 0.1 else METERS) for _ in range(3)]
        time = self._time()
        registers = b"".join(layout.uint(meter, 4) + layout.uint(self._register(meter, time), 8) for meter in meters)
        registers = self._spoilt(registers, 12, 2501)
        zone, sender = self._zone(), self._sender()
        data = encode_call(CONTRACT, "attest", zone, time, bytes(32), registers)
        return self._both(sender, data, lambda: self.model.attest(sender, self.evm.time_s, zone, time, registers))

    def attest_signed(self) -> str:
        packed = b"".join(self._reading() for _ in range(self.random.randrange(3)))
        packed = self._spoilt(packed, 108, 1001)
        zone, sender = self._zone(), self._sender()
        data = encode_call(CONTRACT, "attestSigned", zone, packed)
        return self._both(sender, data, lambda: self.model.attest_signed(sender, self.evm.time_s, zone, packed))

    def correct(self) -> str:
        meter_id = self.random.choice(METERS)
        meter = self.model.meters[meter_id]
        to_wh = max(0, self.random.choice((meter.attested_wh, meter.issued_wh)) - self.random.choice((0, 1, 1, 1000)))
        data = encode_call(CONTRACT, "correctRegister", meter_id, to_wh, bytes(32))
        return self._both(OPERATOR, data, lambda: self.model.correct(self.evm.time_s, meter_id, to_wh))

    def issue(self) -> str:
        meters = self.random.choices((*METERS, UNKNOWN), k=self.random.randrange(5))
        data = encode_call(CONTRACT, "issue", meters)
        return self._both(STRANGER, data, lambda: self.model.issue(meters))

    def set_up(self) -> str:
        meter_id = self.random.choice(METERS)
        if self.random.random() < 0.3:
            power_w = self.random.choice((0, 1, 11_000, MAX_POWER_W, MAX_POWER_W + 1))
            data = encode_call(CONTRACT, "setPowerCap", meter_id, power_w)
            return self._both(OPERATOR, data, lambda: self.model.set_power_cap(meter_id, power_w))
        required = self.random.random() < 0.2
        self.world.send(OPERATOR, CONTRACT, "setSignatureRequired", meter_id, required)
        self.model.meters[meter_id].signature_required = required
        self.set_meter(meter_id, self.random.randrange(2), self.random.random() < 0.9)
        return ""

    def set_meter(self, meter_id: int, owner: int, active: bool) -> None:
        key = self.random.choice((*(device.address for device in DEVICES), DEVICES[0].address, bytes(20)))
        entry = (meter_id, OWNERS[owner].address, ZONE, active, key, bytes(32))
        self.world.send(OPERATOR, "ParticipantRegistry", "setMeter", *entry)
        meter = self.model.meters.setdefault(meter_id, Meter(entry[1], ZONE, active, key, MAX_POWER_W))
        meter.owner, meter.active, meter.key = entry[1], active, key

    # WHAT IS SAID

    def _time(self) -> int:
        return self.evm.time_s - self.random.choice((0, 0, 0, 0, 1, 900, -1))

    def _register(self, meter_id: int, time: int) -> int:
        meter = self.model.meters.get(meter_id)
        if meter is None or meter.slot_end == 0:
            return self.random.choice((0, 5_000, 2**64 - 1)) if self.random.random() < 0.2 else 5_000
        most_wh = max(0, meter.power_cap_w * (time - meter.slot_end) // 3600)
        grown = self.random.choice((0, most_wh, most_wh // 2, most_wh // 2, most_wh + 1, -1))
        return min(max(meter.attested_wh + grown, 0), 2**64 - 1)

    def _reading(self) -> bytes:
        meter_id, time = self.random.choice((*METERS, *METERS, UNKNOWN)), self._time()
        self._counter += 1
        power_w = self.random.choice((-(2**63), -1, 5_000, 2**63 - 1))
        reading = Reading(meter_id, time, self._counter, 7, self._register(meter_id, time), power_w)
        meter = self.model.meters.get(meter_id)
        owner = [device for device in DEVICES if meter and device.address == meter.key] or [DEVICES[1]]
        device = owner[0] if self.random.random() < 0.95 else self.random.choice(DEVICES)
        signature = compact(typed_data.sign(typed_data.reading_digest(reading), device.key))
        *unsigned, power = astuple(reading)
        numbers = b"".join(layout.uint(value, 4 if at == 0 else 8) for at, value in enumerate(unsigned))
        packed = numbers + layout.sint(power, 8) + b"".join(layout.uint(word, 32) for word in signature)
        if self.random.random() < 0.05:
            at = self.random.randrange(len(packed))
            packed = packed[:at] + bytes([packed[at] ^ 1 << self.random.randrange(8)]) + packed[at + 1 :]
        return packed

    def _spoilt(self, packed: bytes, size: int, too_many: int) -> bytes:
        chance = self.random.random()
        if chance < 0.02:
            return packed[:-1] if packed else b"\0"
        if chance < 0.03:
            return bytes(size * too_many)
        return packed

    def _zone(self) -> int:
        return ZONE if self.random.random() < 0.97 else ZONE + 1

    def _sender(self) -> bytes:
        return OPERATOR if self.random.random() < 0.98 else STRANGER

    # BOTH

    def _both(self, sender: bytes, data: bytes, model: Callable[[], None]) -> str:
        outcome = self.evm.transact(sender, self.world.at[CONTRACT], data)
        given = "done" if outcome.ok else str(outcome.revert)
        try:
            model()
        except Refused as refused:
            assert not outcome.ok and refused.matches(outcome.revert), f"contract: {given}; model: {refused}"
            return refused.name
        assert outcome.ok, f"contract: {given}; model: done"
        return ""

    def compare(self) -> None:
        """Registers, limits, accounts and the token's supply."""
        for meter_id, meter in self.model.meters.items():
            register = (meter.attested_wh, meter.issued_wh, meter.slot_end)
            assert self.world.read(CONTRACT, "register", meter_id) == register, meter_id
            limits = (meter.power_cap_w, meter.signature_required, "0x" + meter.key.hex())
            assert self.world.read(CONTRACT, "limitsOf", meter_id) == limits, meter_id
        for owner in OWNERS:
            _, energy_wh, _ = self.world.read("SettlementExchange", "accountOf", owner.address)
            assert energy_wh == self.model.credited_wh.get(owner.address, 0)
        assert self.world.read("EnergyToken", "totalSupply") == sum(self.model.credited_wh.values())
