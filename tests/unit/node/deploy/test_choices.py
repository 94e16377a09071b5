"""What is chosen where nothing is given, what is written down, and what counts as another choice."""

import json

from contracts.typed_data import checksum
from node.deploy import Choices, Parameters

OPERATOR = b"\x0b" * 20
OTHER = b"\x0c" * 20


def test_of__development_chain__short_votes_and_a_faucet() -> None:
    found = Choices.of(31_337, OPERATOR)
    assert found.parameters == Parameters.of_devnet()
    assert found.parameters.voting_period_s < Parameters().voting_period_s
    assert found.holders["faucet"] == OPERATOR
    assert found.treasury == OPERATOR


def test_of__other_chain__nobody_mints_money_unless_named() -> None:
    assert Choices.of(1, OPERATOR).parameters == Parameters()
    assert "faucet" not in Choices.of(1, OPERATOR).holders
    assert Choices.of(1, OPERATOR, holders={"faucet": OTHER}).holders["faucet"] == OTHER


def test_as_json__large_amounts__survive_readers_that_round() -> None:
    found = Choices.of(1, OPERATOR, treasury=OTHER).as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["trace_supply"] == str(10**26)
    assert found["slot_s"] == 900
    assert found["treasury"] == checksum(OTHER)


def test_differences__same_or_unrecorded__none() -> None:
    chosen = Choices.of(1, OPERATOR)
    assert chosen.differences(chosen.as_json()) == []
    assert chosen.differences({}) == []


def test_differences__other_slot_and_guardian__named() -> None:
    recorded = Choices.of(1, OPERATOR).as_json()
    other = Choices.of(1, OPERATOR, parameters=Parameters(slot_s=300), holders={"guardian": OTHER})
    slot, roles = other.differences(recorded)
    assert slot == "slot_s is 900, not 300"
    assert roles.startswith("roles is ")
