"""Reads a deployment back: code, parameters, the role of every function, all accounts that were ever given a role."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from eth_hash.auto import keccak
from web3.types import LogReceipt

from contracts.abi import CONTRACTS, artifact, signature
from contracts.events import (
    CONTRACT_EVENTS,
    AttesterSet,
    Event,
    GridtraceTimelockRoleGranted,
    RoleGranted,
    RoleLabel,
    RoleRevoked,
    SettlerSet,
    TargetFunctionRoleUpdated,
)
from contracts.typed_data import checksum
from node.deploy import plan
from node.deploy.account import Account
from node.deploy.choices import Choices
from node.deploy.plan import Addresses

_EXPECTED_OF_MANAGER: Final = (RoleGranted, RoleRevoked, RoleLabel, TargetFunctionRoleUpdated)


async def code(account: Account, at: Addresses) -> list[str]:
    """Contracts whose code is not the artifact's, immutable values aside."""
    found = await asyncio.gather(*(account.code(at[name]) for name in CONTRACTS))
    return [
        f"{name} at {checksum(at[name])} is another contract" if standing else f"no {name} at {checksum(at[name])}"
        for name, standing in zip(CONTRACTS, found, strict=True)
        if not artifact(name).is_code(standing)
    ]


async def setup(account: Account, at: Addresses, choices: Choices) -> list[str]:
    """What is not as asked before the deployer gives up his roles."""
    steps = [*plan.wiring(at, choices), *plan.handover(at)]
    facts = [*plan.fixed(at, choices), *plan.begun_with(at, choices), *(fact for step in steps for fact in step.facts)]
    return [str(fact) for fact in await account.missing(facts, at)] + await _functions(account, at)


async def roles(account: Account, at: Addresses, choices: Choices, start_block: int) -> list[str]:
    """What is not as asked in the end: who holds a role and should not, who does not and should."""
    watched = (plan.MANAGER, plan.TIMELOCK, plan.EXCHANGE, plan.LEDGER)
    manager, timelock, exchange, ledger = await asyncio.gather(
        *(_events(account, at, name, start_block) for name in watched)
    )
    strange = sorted({event.NAME for event in manager if not isinstance(event, _EXPECTED_OF_MANAGER)})
    named = {(event.role_id, event.account) for event in manager if isinstance(event, RoleGranted)}
    wanted = plan.members(at, choices)
    of_timelock = {(event.role, event.account) for event in timelock if isinstance(event, GridtraceTimelockRoleGranted)}
    settlers = {event.settler for event in exchange if isinstance(event, SettlerSet)}
    attesters = {event.attester for event in ledger if isinstance(event, AttesterSet)}

    async def held(contract: str, function: str, *arguments: Any) -> bool:
        return bool((await account.ask(at[contract], contract, function, *arguments))[0])

    return [
        *(f"the manager has logged {name}" for name in strange),
        *await _members("role", wanted, named, lambda role, who: held(plan.MANAGER, "hasRole", role, who)),
        *await _members(
            "timelock role",
            plan.timelock_members(at),
            of_timelock,
            lambda role, who: held(plan.TIMELOCK, "hasRole", role, who),
        ),
        *await _members(
            "settler",
            {None: {choices.operator}},
            {(None, who) for who in settlers},
            lambda _, who: held(plan.EXCHANGE, "isSettler", who),
        ),
        *await _members(
            "attester",
            {None: {choices.operator}},
            {(None, who) for who in attesters},
            lambda _, who: held(plan.LEDGER, "isAttester", who),
        ),
    ]


async def _functions(account: Account, at: Addresses) -> list[str]:
    """Functions that need another role than ROLE_FUNCTIONS says: none of its own means the administrator's."""
    wanted = plan.function_roles()
    asked = [
        (name, signature(entry), keccak(signature(entry).encode())[:4])
        for name in plan.managed()
        for entry in artifact(name).abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    ]
    found = await asyncio.gather(
        *(account.ask(at[plan.MANAGER], plan.MANAGER, "getTargetFunctionRole", at[name], sel) for name, _, sel in asked)
    )
    return [
        f"{name}.{text} needs role {role}, not {wanted.get((name, sel), plan.ADMIN_ROLE)}"
        for (name, text, sel), (role,) in zip(asked, found, strict=True)
        if role != wanted.get((name, sel), plan.ADMIN_ROLE)
    ]


async def _members(
    what: str,
    wanted: Mapping[Any, set[bytes]],
    named: set[tuple[Any, bytes]],
    held: Callable[[Any, bytes], Any],
) -> list[str]:
    """Asks for everybody who was ever named and everybody who should be there."""
    expected = {(role, who) for role, people in wanted.items() for who in people}
    asked: Sequence[tuple[Any, bytes]] = sorted(named | expected, key=str)
    answers = await asyncio.gather(*(held(role, who) for role, who in asked))
    return [
        f"{checksum(who)} {'holds' if holds else 'lacks'} {what}{_named(role)}"
        for (role, who), holds in zip(asked, answers, strict=True)
        if holds != ((role, who) in expected)
    ]


def _named(role: int | bytes | None) -> str:
    return "" if role is None else f" {role.hex() if isinstance(role, bytes) else role}"


async def _events(account: Account, at: Addresses, name: str, start_block: int) -> list[Event]:
    return [_decoded(name, log) for log in await account.logs(at[name], start_block)]


def _decoded(name: str, log: LogReceipt) -> Event:
    topics = [bytes(topic) for topic in log["topics"]]
    return CONTRACT_EVENTS[name][topics[0]].from_log(topics, bytes(log["data"]))
