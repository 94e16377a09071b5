"""Every restricted function of the sources is one of the privileged calls that the forge tests try without a vote."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CALLS = (ROOT / "tests" / "contracts" / "forge" / "GovernanceCalls.sol").read_text()
_FUNCTION = re.compile(r"\bfunction\s+(\w+)\s*\([^)]*\)([^{;]*)[{;]")

VARIABLES = {
    "AssetFactory": "assets",
    "CarbonCredits": "carbon",
    "Certificates": "certificates",
    "EnergyToken": "energy",
    "ParticipantRegistry": "registry",
    "PaymentToken": "euro",
    "ProductionLedger": "ledger",
    "SettlementExchange": "exchange",
    "StakingPools": "pools",
    "TraceToken": "trace",
    "Vault": "exchange",
}
"""What the forge tests call the contract of each source that restricts functions."""


def restricted(source: str) -> list[str]:
    """Names of the functions that ask the access manager."""
    return [name for name, modifiers in _FUNCTION.findall(source) if re.search(r"\brestricted\b", modifiers)]


SOURCES = {
    path.stem: names
    for path in sorted((ROOT / "contracts" / "src").rglob("*.sol"))
    if (names := restricted(path.read_text()))
}


@pytest.mark.parametrize("contract", SOURCES)
def test_restricted_functions__each_contract__are_tried_without_a_vote(contract: str) -> None:
    tried = re.findall(rf"encodeCall\(\s*{VARIABLES[contract]}\.(\w+)", CALLS)
    assert set(SOURCES[contract]) - set(tried) == set()


def test_restricted__modifiers_in_any_order__found() -> None:
    source = "function a(uint256 x) external\n restricted\n returns (bool) { function b() { function c() restricted;"
    assert restricted(source) == ["a", "c"]
