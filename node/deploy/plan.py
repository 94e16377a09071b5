"""What a deployment consists of, in order: creations, wiring, roles, handover. No I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from contracts.abi import CONTRACTS, artifact, creation_code, selector
from node.deploy.choices import ROLES, Choices

Addresses: TypeAlias = Mapping[str, bytes]

MANAGER: Final = "GridtraceAccessManager"
REGISTRY: Final = "ParticipantRegistry"
CASH: Final = "PaymentToken"
ENERGY: Final = "EnergyToken"
EXCHANGE: Final = "SettlementExchange"
LEDGER: Final = "ProductionLedger"
TRACE: Final = "TraceToken"
TIMELOCK: Final = "GridtraceTimelock"
GOVERNOR: Final = "TraceGovernor"
STAKING: Final = "StakingPools"
ESCROW: Final = "Escrow"
ASSETS: Final = "AssetFactory"
PRODUCTS: Final = "ProductRegistry"
CERTIFICATES: Final = "Certificates"
CARBON: Final = "CarbonCredits"

NEEDS: Final = {GOVERNOR: (TRACE, TIMELOCK)}
"""Contracts whose constructors call others, which must stand before."""

ADMIN_ROLE: Final = 0
"""The AccessManager's administrator; whatever has no role of its own is his."""

ROLE_FUNCTIONS: Final = (
    ("registrar", REGISTRY, ("setParticipant", "setParticipants", "setMeter", "setMeters")),
    ("registrar", LEDGER, ("setPowerCap", "setSignatureRequired")),
    ("faucet", CASH, ("mint",)),
    ("guardian", EXCHANGE, ("pause",)),
    ("guardian", LEDGER, ("dismissAttester",)),
    ("treasurer", EXCHANGE, ("withdrawFees",)),
    ("corrector", LEDGER, ("correctRegister",)),
    ("certifier", CERTIFICATES, ("setIssuer",)),
    ("carbon-issuer", CARBON, ("issue",)),
    ("asset-manager", ASSETS, ("createAsset",)),
    ("pool-manager", STAKING, ("addPool", "setPoolOpen")),
)
"""Who may call what: role, contract, functions."""

TIMELOCK_ADMIN: Final = bytes(32)
PROPOSER: Final = bytes.fromhex("b09aa5aeb3702cfd50b6b62bc4532604938f21248a27a1d5ca736082b6819cc1")
EXECUTOR: Final = bytes.fromhex("d8aa0f3194971a2a116679f7c2090f6939c8d4e01a2a8d7e41d55e5351469e63")
CANCELLER: Final = bytes.fromhex("fd643c72710c63c0180259aba6b2d05451e3591a24e58b62239378085726f783")
"""Roles of OpenZeppelin's TimelockController: keccak-256 of PROPOSER_ROLE, EXECUTOR_ROLE, CANCELLER_ROLE."""
ANYONE: Final = bytes(20)


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
    """A call that makes facts true."""

    facts: tuple[Fact, ...]
    contract: str
    function: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.contract}.{self.function}"


def waves() -> Iterator[list[str]]:
    """All contracts in order, cut where a constructor needs one that is only being created."""
    wave: list[str] = []
    for name in CONTRACTS:
        if any(needed in wave for needed in NEEDS.get(name, ())):
            yield wave
            wave = []
        wave.append(name)
    yield wave


def creation(name: str, at: Addresses, deployer: bytes, choices: Choices) -> bytes:
    """The creation code of a contract; ``at`` says where each of them stands or will stand."""
    return creation_code(name, *_arguments(name, at, deployer, choices))


def _arguments(name: str, at: Addresses, deployer: bytes, choices: Choices) -> tuple[Any, ...]:
    chosen = choices.parameters
    match name:
        case "GridtraceAccessManager":
            return (deployer,)
        case "SettlementExchange":
            parts = (at[MANAGER], at[REGISTRY], at[CASH], at[ENERGY])
            return (*parts, chosen.slot_s, chosen.withdrawal_delay_s, chosen.max_fee_per_kwh)
        case "ProductionLedger":
            parts = (at[MANAGER], at[REGISTRY], at[ENERGY], at[EXCHANGE])
            return (*parts, chosen.max_power_w, chosen.correction_window_s)
        case "TraceToken":
            return (at[MANAGER], choices.treasury, chosen.trace_supply, chosen.trace_cap)
        case "GridtraceTimelock":
            return (chosen.timelock_delay_s, deployer)
        case "TraceGovernor":
            voting = (chosen.voting_delay_s, chosen.voting_period_s, chosen.proposal_threshold, chosen.quorum_percent)
            return (at[TRACE], at[TIMELOCK], *voting)
        case "StakingPools":
            return (at[MANAGER], at[TRACE])
        case "Escrow":
            return (at[CASH],)
        case "AssetFactory":
            return (at[MANAGER], at[REGISTRY], at[CASH])
        case "ProductRegistry":
            return (at[REGISTRY],)
        case _:
            return (at[MANAGER],)


def managed() -> tuple[str, ...]:
    """Contracts that the AccessManager administers."""
    return tuple(
        name
        for name in CONTRACTS
        if name != MANAGER and any(entry.get("name") == "authority" for entry in artifact(name).abi)
    )


def fixed(at: Addresses, choices: Choices) -> list[Fact]:
    """What the constructors must have set for ever."""
    chosen = choices.parameters
    values: dict[str, dict[str, Any]] = {
        EXCHANGE: {
            "registry": at[REGISTRY],
            "paymentToken": at[CASH],
            "energyToken": at[ENERGY],
            "slotSeconds": chosen.slot_s,
            "withdrawalDelay": chosen.withdrawal_delay_s,
            "maxFeePerKwh": chosen.max_fee_per_kwh,
        },
        LEDGER: {
            "registry": at[REGISTRY],
            "energyToken": at[ENERGY],
            "exchange": at[EXCHANGE],
            "maxPowerW": chosen.max_power_w,
            "correctionWindow": chosen.correction_window_s,
        },
        TRACE: {"cap": chosen.trace_cap},
        GOVERNOR: {"token": at[TRACE], "timelock": at[TIMELOCK]},
        STAKING: {"token": at[TRACE]},
        ESCROW: {"paymentToken": at[CASH]},
        ASSETS: {"registry": at[REGISTRY], "paymentToken": at[CASH]},
        PRODUCTS: {"registry": at[REGISTRY]},
    }
    facts = [Fact(name, "authority", (), (at[MANAGER],)) for name in managed()]
    return facts + [Fact(name, getter, (), (value,)) for name, read in values.items() for getter, value in read.items()]


def begun_with(at: Addresses, choices: Choices) -> list[Fact]:
    """What the constructors set and a vote may change later."""
    chosen = choices.parameters
    values = {
        TRACE: {"totalSupply": chosen.trace_supply},
        TIMELOCK: {"getMinDelay": chosen.timelock_delay_s},
        GOVERNOR: {
            "votingDelay": chosen.voting_delay_s,
            "votingPeriod": chosen.voting_period_s,
            "proposalThreshold": chosen.proposal_threshold,
            "quorumNumerator": chosen.quorum_percent,
        },
    }
    facts = [Fact(name, getter, (), (value,)) for name, read in values.items() for getter, value in read.items()]
    return [*facts, Fact(TIMELOCK, "hasRole", (EXECUTOR, ANYONE), (True,))]


def wiring(at: Addresses, choices: Choices) -> list[Step]:
    """The calls after creation, none of which depends on another. The deployer makes them as administrator."""
    ledger, exchange, operator = at[LEDGER], at[EXCHANGE], choices.operator
    mirrors = (Fact(REGISTRY, "participantMirror", (), (exchange,)), Fact(REGISTRY, "meterMirror", (), (ledger,)))
    return [
        Step((Fact(ENERGY, "ledger", (), (ledger,)),), ENERGY, "setLedger", (ledger,)),
        Step((Fact(EXCHANGE, "ledger", (), (ledger,)),), EXCHANGE, "setLedger", (ledger,)),
        Step(mirrors, REGISTRY, "setMirrors", (exchange, ledger)),
        *(_zone(number, code) for number, code in choices.parameters.zones),
        Step((Fact(EXCHANGE, "isSettler", (operator,), (True,)),), EXCHANGE, "setSettler", (operator, True)),
        Step((Fact(LEDGER, "isAttester", (operator,), (True,)),), LEDGER, "setAttester", (operator, True)),
        *(_open_to(ROLES[role], at[name], name, functions) for role, name, functions in ROLE_FUNCTIONS),
        *(_grant(ROLES[role], holder) for role, holder in choices.holders.items()),
    ]


def handover(at: Addresses) -> list[Step]:
    """Makes the timelock the administrator and the governor its only proposer."""
    grants = [(role, at[GOVERNOR]) for role in (PROPOSER, CANCELLER)]
    return [
        *(Step((Fact(TIMELOCK, "hasRole", grant, (True,)),), TIMELOCK, "grantRole", grant) for grant in grants),
        _grant(ADMIN_ROLE, at[TIMELOCK]),
    ]


def renunciation(deployer: bytes) -> list[Step]:
    """The deployer gives up what he has left. Only once the handover was read back."""
    gone = Fact(TIMELOCK, "hasRole", (TIMELOCK_ADMIN, deployer), (False,))
    none = Fact(MANAGER, "hasRole", (ADMIN_ROLE, deployer), (False, 0))
    return [
        Step((gone,), TIMELOCK, "renounceRole", (TIMELOCK_ADMIN, deployer)),
        Step((none,), MANAGER, "renounceRole", (ADMIN_ROLE, deployer)),
    ]


def function_roles() -> dict[tuple[str, bytes], int]:
    """The role that each function named in ROLE_FUNCTIONS needs, by contract and selector."""
    return {
        (name, selector(name, function)): ROLES[role]
        for role, name, functions in ROLE_FUNCTIONS
        for function in functions
    }


def members(at: Addresses, choices: Choices) -> dict[int, set[bytes]]:
    """Who holds the AccessManager's roles in the end: these accounts and no others."""
    found: dict[int, set[bytes]] = {ADMIN_ROLE: {at[TIMELOCK]}}
    for role, holder in choices.holders.items():
        found.setdefault(ROLES[role], set()).add(holder)
    return found


def timelock_members(at: Addresses) -> dict[bytes, set[bytes]]:
    """Who holds the timelock's roles in the end."""
    return {
        TIMELOCK_ADMIN: {at[TIMELOCK]},
        PROPOSER: {at[GOVERNOR]},
        CANCELLER: {at[GOVERNOR]},
        EXECUTOR: {ANYONE},
    }


def _zone(number: int, code: str) -> Step:
    name = code.encode().ljust(32, b"\0")
    return Step((Fact(REGISTRY, "zoneCode", (number,), (name,)),), REGISTRY, "setZone", (number, name))


def _open_to(role: int, target: bytes, name: str, functions: tuple[str, ...]) -> Step:
    selectors = [selector(name, function) for function in functions]
    done = tuple(Fact(MANAGER, "getTargetFunctionRole", (target, found), (role,)) for found in selectors)
    return Step(done, MANAGER, "setTargetFunctionRole", (target, selectors, role))


def _grant(role: int, account: bytes) -> Step:
    return Step((Fact(MANAGER, "hasRole", (role, account), (True, 0)),), MANAGER, "grantRole", (role, account, 0))
