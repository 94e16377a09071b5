"""What a deployment consists of: constructors, wiring and roles, as contracts/README.md says. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from contracts.abi import CONTRACTS, creation_code, selector

Addresses: TypeAlias = Mapping[str, bytes]

MANAGER: Final = "GridtraceAccessManager"
REGISTRY: Final = "ParticipantRegistry"
CASH: Final = "PaymentToken"
ENERGY: Final = "EnergyToken"
EXCHANGE: Final = "SettlementExchange"
LEDGER: Final = "ProductionLedger"

REGISTRAR: Final = 1
FAUCET: Final = 2
GUARDIAN: Final = 3
TREASURER: Final = 4
CORRECTOR: Final = 5

ROLE_FUNCTIONS: Final = (
    (REGISTRAR, REGISTRY, "setParticipant"),
    (REGISTRAR, REGISTRY, "setMeter"),
    (FAUCET, CASH, "mint"),
    (GUARDIAN, EXCHANGE, "pause"),
    (TREASURER, EXCHANGE, "withdrawFees"),
    (CORRECTOR, LEDGER, "correctRegister"),
)
"""Who may call what: role, contract, function."""
OPERATOR_ROLES: Final = (REGISTRAR, FAUCET, GUARDIAN)
ADMINISTRATOR_ROLES: Final = (GUARDIAN, TREASURER, CORRECTOR)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the contracts fix for ever when they are created."""

    slot_s: int = 900
    """Length of a delivery slot, seconds."""
    withdrawal_delay_s: int = 3_600
    """From announcing a withdrawal to executing it, seconds.

    Cash that a book counted at its gate must not leave before the slot settles: gate lead, slot, reading grace and
    the way through attestation to the batch, 1,500 s by default and whatever an outage adds. Hence the most that the
    contract allows.
    """
    max_fee_per_kwh: int = 720_000
    """Cap of what may remain per kWh sold, micro-currency: a grid fee of 200,000 and twice a spread of 260,000."""
    max_power_w: int = 10_000_000
    """The highest power any meter feeds: caps the growth of its register."""
    correction_window_s: int = 7 * 86_400
    """How long after its slot a register may be corrected."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a contract answers to a call once all is done."""

    contract: str
    function: str
    arguments: tuple[Any, ...]
    expected: tuple[Any, ...]

    def __str__(self) -> str:
        shown = ", ".join("0x" + value.hex() if isinstance(value, bytes) else str(value) for value in self.arguments)
        return f"{self.contract}.{self.function}({shown})"


@dataclass(frozen=True, slots=True)
class Step:
    """A call that makes a fact true."""

    fact: Fact
    contract: str
    function: str
    arguments: tuple[Any, ...]


def creation(name: str, at: Addresses, administrator: bytes, parameters: Parameters) -> bytes:
    """The creation code of a contract, where the ones before it in CONTRACTS stand at ``at``."""
    if name == MANAGER:
        return creation_code(name, administrator)
    extra: dict[str, tuple[Any, ...]] = {
        EXCHANGE: (
            *(at.get(part) for part in (REGISTRY, CASH, ENERGY)),
            parameters.slot_s,
            parameters.withdrawal_delay_s,
            parameters.max_fee_per_kwh,
        ),
        LEDGER: (
            *(at.get(part) for part in (REGISTRY, ENERGY, EXCHANGE)),
            parameters.max_power_w,
            parameters.correction_window_s,
        ),
    }
    return creation_code(name, at[MANAGER], *extra.get(name, ()))


def fixed(at: Addresses, parameters: Parameters) -> list[Fact]:
    """What the constructors must have set."""
    facts = [Fact(name, "authority", (), (at[MANAGER],)) for name in CONTRACTS if name != MANAGER]
    values = {
        EXCHANGE: {
            "registry": at[REGISTRY],
            "paymentToken": at[CASH],
            "energyToken": at[ENERGY],
            "slotSeconds": parameters.slot_s,
            "withdrawalDelay": parameters.withdrawal_delay_s,
            "maxFeePerKwh": parameters.max_fee_per_kwh,
        },
        LEDGER: {
            "registry": at[REGISTRY],
            "energyToken": at[ENERGY],
            "exchange": at[EXCHANGE],
            "maxPowerW": parameters.max_power_w,
            "correctionWindow": parameters.correction_window_s,
        },
    }
    return facts + [Fact(name, getter, (), (value,)) for name, read in values.items() for getter, value in read.items()]


def wiring(at: Addresses, administrator: bytes, operator: bytes) -> list[Step]:
    """The calls after creation, in order. The administrator makes them."""
    ledger, exchange = at[LEDGER], at[EXCHANGE]
    return [
        Step(Fact(ENERGY, "ledger", (), (ledger,)), ENERGY, "setLedger", (ledger,)),
        Step(Fact(EXCHANGE, "ledger", (), (ledger,)), EXCHANGE, "setLedger", (ledger,)),
        Step(Fact(REGISTRY, "participantMirror", (), (exchange,)), REGISTRY, "setMirrors", (exchange, ledger)),
        Step(Fact(REGISTRY, "meterMirror", (), (ledger,)), REGISTRY, "setMirrors", (exchange, ledger)),
        Step(Fact(EXCHANGE, "isSettler", (operator,), (True,)), EXCHANGE, "setSettler", (operator, True)),
        Step(Fact(LEDGER, "isAttester", (operator,), (True,)), LEDGER, "setAttester", (operator, True)),
        *(_open_to(role, at[name], selector(name, function)) for role, name, function in ROLE_FUNCTIONS),
        *(_grant(role, operator) for role in OPERATOR_ROLES),
        *(_grant(role, administrator) for role in ADMINISTRATOR_ROLES),
    ]


def _open_to(role: int, target: bytes, function: bytes) -> Step:
    done = Fact(MANAGER, "getTargetFunctionRole", (target, function), (role,))
    return Step(done, MANAGER, "setTargetFunctionRole", (target, [function], role))


def _grant(role: int, account: bytes) -> Step:
    return Step(Fact(MANAGER, "hasRole", (role, account), (True, 0)), MANAGER, "grantRole", (role, account, 0))
