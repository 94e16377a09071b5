import re
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from contracts.abi import CONTRACTS, artifact, selector
from indexer.config import Environment
from node.config import NodeConfig
from node.deploy import Choices, Parameters, plan
from node.deploy.choices import ROLES

MARGIN_S = 1_800
"""For attestation, the batch, and an outage of some of the processes."""
MOST_DELAY_S = 3_600
"""The exchange refuses a longer one."""
FILES = ("OPERATOR_KEY_FILE", "GATEWAY_KEY_FILE", "READINGS_SALT_FILE", "DEPLOYMENT")
SETTINGS = {
    "DATABASE_URL": "postgresql://localhost/x",
    "RPC_URL": "http://localhost",
    "REDIS_URL": "redis://localhost",
    "GRIDTRACE_CHAIN_ID": "1",
    "GRIDTRACE_OPERATOR": "0x" + "11" * 20,
    "GRIDTRACE_GRID_ACCOUNT": "0x" + "12" * 20,
    **{f"GRIDTRACE_{name}": "unused" for name in FILES},
}


def test_parameters__withdrawal_announced_when_a_gate_closes__is_ready_after_the_slot_is_settled() -> None:
    env = Environment(SETTINGS)
    rules = NodeConfig.read(env).market
    env.check()
    settled_s = rules.gate_lead_s + rules.slot_s + rules.reading_grace_s
    assert settled_s + MARGIN_S <= Parameters().withdrawal_delay_s <= MOST_DELAY_S
    assert Parameters().slot_s == rules.slot_s


OPERATOR = b"\x0b" * 20
AT = {name: bytes([i + 1]) * 20 for i, name in enumerate(CONTRACTS)}


def test_waves__all_contracts__each_after_what_its_constructor_calls() -> None:
    found = list(plan.waves())
    assert [name for wave in found for name in wave] == list(CONTRACTS)
    for name, needed in plan.NEEDS.items():
        (own,) = (i for i, wave in enumerate(found) if name in wave)
        assert all(any(other in wave for wave in found[:own]) for other in needed)


@pytest.mark.parametrize("name", CONTRACTS)
def test_creation__each_contract__takes_the_arguments_it_is_given(name: str) -> None:
    code = plan.creation(name, AT, b"\x01" * 20, Choices.of(31_337, OPERATOR))
    assert code.startswith(artifact(name).bytecode)


def test_role_functions__each__is_a_function_that_changes_something() -> None:
    for role, contract, functions in plan.ROLE_FUNCTIONS:
        assert role in ROLES
        assert contract in plan.managed()
        changing = {entry["name"] for entry in artifact(contract).abi if entry["type"] == "function"}
        assert set(functions) <= changing
    assert {role for role, _, _ in plan.ROLE_FUNCTIONS} == set(ROLES)


def test_members__in_the_end__timelock_alone_administers() -> None:
    found = plan.members(AT, Choices.of(31_337, OPERATOR, holders={"guardian": b"\x0c" * 20}))
    assert found[plan.ADMIN_ROLE] == {AT["GridtraceTimelock"]}
    assert found[ROLES["guardian"]] == {b"\x0c" * 20}
    assert all(found[number] == {OPERATOR} for role, number in ROLES.items() if role != "guardian")


def test_roles__numbers__as_the_contracts_have_them() -> None:
    text = (Path(__file__).parents[4] / "contracts/src/registry/Roles.sol").read_text()
    named = {
        name.lower().replace("_", "-"): int(number) for name, number in re.findall(r"constant (\w+) = (\d+);", text)
    }
    assert {role: named[role] for role in ROLES} == ROLES


def test_timelock_roles__hashes_of_their_names() -> None:
    for name, value in (("PROPOSER", plan.PROPOSER), ("EXECUTOR", plan.EXECUTOR), ("CANCELLER", plan.CANCELLER)):
        assert value == keccak(f"{name}_ROLE".encode())


def test_function_roles__by_selector__unpause_is_not_the_guardians() -> None:
    found = plan.function_roles()
    assert found["SettlementExchange", selector("SettlementExchange", "pause")] == ROLES["guardian"]
    assert ("SettlementExchange", selector("SettlementExchange", "unpause")) not in found
