"""The policy before every signer: what the node sends is allowed, and nothing else."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import node
from contracts.abi import CONTRACTS, artifact, encode_call, selector
from contracts.addresses import Deployment
from node.signers.policy import CALLS, DayLimitReached, Guarded, policy
from node.wallet import SigningForbidden

DEPLOYMENT = Deployment(1, 0, {name: bytes([number + 1]) * 20 for number, name in enumerate(CONTRACTS)})
TOKEN = DEPLOYMENT.address("PaymentToken")
ASSET = b"\xaa" * 20
TRANSACTION: dict[str, Any] = {
    "chainId": 1,
    "to": TOKEN,
    "value": 0,
    "data": encode_call("PaymentToken", "mint", ASSET, 5),
}
MORNING = datetime(2025, 6, 17, 8, tzinfo=UTC)


class Recording:
    address = b"\x01" * 20

    def __init__(self) -> None:
        self.signed: list[dict[str, Any]] = []

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        self.signed.append(transaction)
        return b"raw"


def test_sign__every_call_that_the_node_encodes__is_allowed() -> None:
    """Whoever lets the node send something new must put it into the policy."""
    folder = Path(node.__file__).parent
    sources = [path for path in folder.rglob("*.py") if folder / "deploy" not in path.parents]
    found = {
        (contract, function)
        for path in sources
        for contract, function in re.findall(r'encode_call\(\s*"(\w+)",\s*"(\w+)"', path.read_text())
    }
    views = {
        (contract, entry["name"])
        for contract, _ in found
        for entry in artifact(contract).abi
        if entry.get("stateMutability") in ("view", "pure")
    }
    assert len(found - views) > 10
    assert found - views == {(contract, function) for contract, functions in CALLS.items() for function in functions}


def test_sign__calls_of_the_list__are_signed() -> None:
    signer = Recording()
    guarded = Guarded(signer, policy(1, DEPLOYMENT))
    assert guarded.address == signer.address
    assert guarded.sign_transaction(TRANSACTION) == b"raw"
    claim = TRANSACTION | {"to": ASSET, "data": selector("AssetToken", "claimFor")}
    guarded.sign_transaction(claim)
    assert signer.signed == [TRANSACTION, claim]


@pytest.mark.parametrize(
    "change",
    [
        {"chainId": 5},
        {"chainId": None},
        {"to": b""},
        {"to": ASSET},
        {"value": 1},
        {"value": -1},
        {"data": b""},
        {"data": selector("PaymentToken", "transfer") + bytes(64)},
        {"data": selector("PaymentToken", "mint")[:3]},
        {"data": selector("ProductionLedger", "attest")},
        {"data": selector("AssetToken", "claimFor")},
        {"to": DEPLOYMENT.address("GridtraceAccessManager"), "data": selector("GridtraceAccessManager", "grantRole")},
    ],
)
def test_sign__anything_else__is_forbidden(change: dict[str, Any]) -> None:
    signer = Recording()
    with pytest.raises(SigningForbidden):
        Guarded(signer, policy(1, DEPLOYMENT)).sign_transaction(TRANSACTION | change)
    assert signer.signed == []


def test_sign__money__up_to_the_days_sum_and_over_a_restart(tmp_path: Path) -> None:
    now = MORNING
    file = tmp_path / "day"

    def guarded() -> Guarded:
        return Guarded(Recording(), policy(1, DEPLOYMENT, 100, file), lambda: now)

    guarded().sign_transaction(TRANSACTION | {"value": 60})
    with pytest.raises(SigningForbidden):
        guarded().sign_transaction(TRANSACTION | {"value": 101})
    with pytest.raises(DayLimitReached) as raised:
        guarded().sign_transaction(TRANSACTION | {"value": 41})
    assert raised.value.retryable
    guarded().sign_transaction(TRANSACTION | {"value": 40})
    now += timedelta(days=1)
    guarded().sign_transaction(TRANSACTION | {"value": 100})
    file.write_text("{")
    with pytest.raises(DayLimitReached, match="does not say"):
        guarded().sign_transaction(TRANSACTION | {"value": 1})
