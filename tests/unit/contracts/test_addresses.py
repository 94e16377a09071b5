"""Deployment files: round trip, and what is refused."""

import json
from pathlib import Path

import pytest

from contracts.addresses import Deployment, DeploymentUnreadable

ADDRESS = bytes.fromhex("dac17f958d2ee523a2206206994597c13d831ec7")


def test_dump__then_load__equal(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deployment.json"
    deployment = Deployment(31_337, 7, {"PaymentToken": ADDRESS})
    deployment.dump(path)
    assert Deployment.load(path) == deployment
    assert json.loads(path.read_text()) == {
        "chain_id": 31_337,
        "start_block": 7,
        "contracts": {"PaymentToken": "0xdAC17F958D2ee523a2206206994597C13D831ec7"},
    }
    assert [file.name for file in path.parent.iterdir()] == ["deployment.json"]


def test_address__unknown_name__refused() -> None:
    with pytest.raises(DeploymentUnreadable, match="no EnergyToken"):
        Deployment(1, 0, {"PaymentToken": ADDRESS}).address("EnergyToken")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"chain_id": 1, "start_block": 0, "contracts": []}',
        '{"chain_id": "x", "start_block": 0, "contracts": {}}',
        '{"chain_id": 1, "start_block": 0, "contracts": {"A": "0x12"}}',
    ],
)
def test_load__malformed__refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(text)
    with pytest.raises(DeploymentUnreadable, match=r"deployment\.json"):
        Deployment.load(path)


def test_load__missing__refused(tmp_path: Path) -> None:
    with pytest.raises(DeploymentUnreadable, match="absent"):
        Deployment.load(tmp_path / "absent")
