"""What is chosen where nothing is given, what is written down, and what counts as another choice."""

import json
from collections.abc import Mapping

import pytest

from contracts.typed_data import checksum
from node.deploy import Choices, Parameters
from node.deploy.choices import PowersTogether

OPERATOR = b"\x0b" * 20
OTHER = b"\x0c" * 20
GUARDIAN = {"guardian": OTHER}


def public(parameters: Parameters | None = None, holders: Mapping[str, bytes] = GUARDIAN) -> Choices:
    """For a chain that is no development network."""
    return Choices.of(1, OPERATOR, parameters=parameters, treasury=OTHER, holders=holders)


def test_of__development_chain__short_votes_and_a_faucet() -> None:
    found = Choices.of(31_337, OPERATOR)
    assert found.parameters == Parameters.of_devnet()
    assert found.parameters.voting_period_s < Parameters().voting_period_s
    assert found.holders["faucet"] == OPERATOR
    assert found.treasury == OPERATOR


def test_of__other_chain__nobody_mints_money_unless_named() -> None:
    assert public().parameters == Parameters()
    assert "faucet" not in public().holders
    assert public(holders={**GUARDIAN, "faucet": OTHER}).holders["faucet"] == OTHER


@pytest.mark.parametrize(
    ("treasury", "holders", "named"),
    [
        (None, None, "guardian and treasury"),
        (OPERATOR, GUARDIAN, "treasury"),
        (None, GUARDIAN, "treasury"),
        (OTHER, None, "guardian"),
        (OTHER, {"guardian": OPERATOR}, "guardian"),
    ],
)
def test_of__other_chain_and_the_operator_guards_himself_or_holds_the_votes__refused(
    treasury: bytes | None, holders: Mapping[str, bytes] | None, named: str
) -> None:
    with pytest.raises(PowersTogether, match=f"chain 1, {named} cannot be the operator") as refused:
        Choices.of(1, OPERATOR, treasury=treasury, holders=holders)
    assert refused.value.code == "powers-together"


def test_as_json__large_amounts__survive_readers_that_round() -> None:
    found = public().as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["trace_supply"] == str(10**26)
    assert found["slot_s"] == 900
    assert found["treasury"] == checksum(OTHER)


def test_differences__same_or_unrecorded__none() -> None:
    chosen = public()
    assert chosen.differences(chosen.as_json()) == []
    assert chosen.differences({}) == []


def test_differences__other_slot_and_guardian__named() -> None:
    recorded = public().as_json()
    other = public(Parameters(slot_s=300), {"guardian": b"\x0d" * 20})
    slot, roles = other.differences(recorded)
    assert slot == "slot_s is 900, not 300"
    assert roles.startswith("roles is ")
