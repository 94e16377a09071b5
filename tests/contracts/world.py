"""All contracts deployed and wired in an EVM of this process, people with keys, and the models beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from contracts import typed_data
from contracts.abi import selector
from contracts.settlement_batch import encode_registers
from scripts.bench.evm import Evm, Outcome, deploy, read, send

SLOT_S = 900
DELAY_S = 900
MAX_FEE_PER_KWH = 1_000_000
MAX_POWER_W = 1_000_000
WINDOW_S = 7 * 86_400
T = 1_800_000_000
"""Start of a slot."""
NOW_S = T + 2 * SLOT_S
CLEARED_UNTIL = T + 365 * 86_400
ZONE = 1
BOTH = 3
FROZEN = 4

CHUNK = 50
"""Entries that fit one transaction."""

ADMIN = bytes.fromhex("ad" * 20)
OPERATOR = bytes.fromhex("0e" * 20)
STRANGER = bytes.fromhex("57" * 20)
REGISTRAR, FAUCET, GUARDIAN, TREASURER, CORRECTOR = range(1, 6)


@dataclass(frozen=True)
class Person:
    key: bytes
    address: bytes


def person(name: str) -> Person:
    """The same key for the same name, always."""
    key = keccak(name.encode())
    return Person(key, typed_data.address_of(key))


def meter_of(account: bytes) -> int:
    """The account's own meter."""
    return int.from_bytes(account[-4:], "big")


class World:
    """Deployed as contracts/README.md says; OPERATOR holds every role that is not the administrator's."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        self.at: dict[str, bytes] = {}
        self._deploy()
        self._wire()
        self.domain = typed_data.Domain(self.evm.chain_id, self.at["SettlementExchange"])

    def _deploy(self) -> None:
        at = self.at
        at["GridtraceAccessManager"] = manager = deploy(self.evm, ADMIN, "GridtraceAccessManager", ADMIN)
        for name in ("ParticipantRegistry", "PaymentToken", "EnergyToken"):
            at[name] = deploy(self.evm, ADMIN, name, manager)
        registry, energy = at["ParticipantRegistry"], at["EnergyToken"]
        at["SettlementExchange"] = deploy(
            self.evm,
            ADMIN,
            "SettlementExchange",
            *(manager, registry, at["PaymentToken"], energy, SLOT_S, DELAY_S, MAX_FEE_PER_KWH),
        )
        at["ProductionLedger"] = deploy(
            self.evm,
            ADMIN,
            "ProductionLedger",
            *(manager, registry, energy, at["SettlementExchange"], MAX_POWER_W, WINDOW_S),
        )

    def _wire(self) -> None:
        exchange, ledger = self.at["SettlementExchange"], self.at["ProductionLedger"]
        self.send(ADMIN, "EnergyToken", "setLedger", ledger)
        self.send(ADMIN, "SettlementExchange", "setLedger", ledger)
        self.send(ADMIN, "ParticipantRegistry", "setMirrors", exchange, ledger)
        self.send(ADMIN, "ParticipantRegistry", "setZone", ZONE, b"DE-LU".ljust(32, b"\0"))
        self.send(ADMIN, "SettlementExchange", "setSettler", OPERATOR, True)
        self.send(ADMIN, "ProductionLedger", "setAttester", OPERATOR, True)
        self.allow(REGISTRAR, "ParticipantRegistry", "setParticipant", "setParticipants", "setMeter", "setMeters")
        self.allow(FAUCET, "PaymentToken", "mint")
        self.allow(GUARDIAN, "SettlementExchange", "pause")
        self.allow(TREASURER, "SettlementExchange", "withdrawFees")
        self.allow(CORRECTOR, "ProductionLedger", "correctRegister")
        for role in range(REGISTRAR, CORRECTOR + 1):
            self.send(ADMIN, "GridtraceAccessManager", "grantRole", role, OPERATOR, 0)

    def allow(self, role: int, contract: str, *functions: str) -> None:
        selectors = [selector(contract, function) for function in functions]
        self.send(ADMIN, "GridtraceAccessManager", "setTargetFunctionRole", self.at[contract], selectors, role)

    def send(self, sender: bytes, contract: str, function: str, *arguments: object) -> Outcome:
        return send(self.evm, sender, self.at[contract], contract, function, *arguments)

    def read(self, contract: str, function: str, *arguments: object) -> Any:
        return read(self.evm, self.at[contract], contract, function, *arguments)

    def clear(self, account: bytes, until: int = CLEARED_UNTIL, flags: int = BOTH) -> None:
        self.send(OPERATOR, "ParticipantRegistry", "setParticipant", account, until, flags, 276)

    def clear_all(self, accounts: Sequence[bytes]) -> None:
        """``clear`` for many."""
        entries = [(account, CLEARED_UNTIL, BOTH, 276) for account in accounts]
        for at in range(0, len(entries), CHUNK):
            self.send(OPERATOR, "ParticipantRegistry", "setParticipants", entries[at : at + CHUNK])

    def set_meters(self, entries: Sequence[tuple[int, bytes, int, bool, bytes, bytes]]) -> None:
        """Id, owner, zone, active, key and plant of each."""
        for at in range(0, len(entries), CHUNK):
            self.send(OPERATOR, "ParticipantRegistry", "setMeters", entries[at : at + CHUNK])

    def give_energy_to_all(self, accounts: Sequence[bytes], energy_wh: int) -> None:
        """``give_energy`` for many that never had any."""
        meters = {meter_of(account): account for account in accounts}
        self.set_meters([(meter, owner, ZONE, True, bytes(20), bytes(32)) for meter, owner in meters.items()])
        ids = list(meters)
        for at in range(0, len(ids), CHUNK):
            some = ids[at : at + CHUNK]
            self.attest(T - 86_400, [(meter, 0) for meter in some])
            self.attest(T, [(meter, energy_wh) for meter in some])
            self.send(OPERATOR, "ProductionLedger", "issue", some)

    def give_cash(self, account: bytes, cash: int) -> None:
        self.send(OPERATOR, "PaymentToken", "mint", account, cash)
        self.send(account, "PaymentToken", "approve", self.at["SettlementExchange"], cash)
        self.send(account, "SettlementExchange", "deposit", cash)

    def give_energy(self, account: bytes, energy_wh: int) -> None:
        """Through the ledger: a meter of the account's own, its baseline, a day's production."""
        meter_id = meter_of(account)
        _, _, slot_end = self.read("ProductionLedger", "register", meter_id)
        if slot_end == 0:
            self.send(OPERATOR, "ParticipantRegistry", "setMeter", meter_id, account, ZONE, True, bytes(20), bytes(32))
            self.attest(T - 86_400, [(meter_id, 0)])
        self.attest(T, [(meter_id, energy_wh)])
        self.send(OPERATOR, "ProductionLedger", "issue", [meter_id])

    def attest(self, slot_end: int, registers: list[tuple[int, int]]) -> None:
        self.send(OPERATOR, "ProductionLedger", "attest", ZONE, slot_end, bytes(32), encode_registers(registers))

    def set_mandate(self, who: Person, budget_per_slot: int, budget: int, nonce: int) -> None:
        mandate = typed_data.Mandate(who.address, budget_per_slot, budget, CLEARED_UNTIL, nonce)
        signature = typed_data.sign(typed_data.mandate_digest(self.domain, mandate), who.key)
        fields = (mandate.account, mandate.budget_per_slot, mandate.budget, mandate.expiry, mandate.nonce)
        self.send(STRANGER, "SettlementExchange", "setMandate", fields, signature)
