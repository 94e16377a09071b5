"""18: storage layouts are the committed ones; and how gas figures are compared."""

import json

import pytest

from contracts.abi import CONTRACTS
from scripts import snapshots


@pytest.mark.timeout(300)
def test_18_storage_layouts__compiled_now__equal_the_committed() -> None:
    assert snapshots.storage_text(snapshots.storage_layouts()) == snapshots.STORAGE.read_text()


def test_storage_snapshot__every_deployed_contract__has_lines() -> None:
    lines = snapshots.STORAGE.read_text().splitlines()
    assert {line.split()[0] for line in lines} >= set(CONTRACTS)


def test_storage_text__a_variable_moved__differs() -> None:
    word = {"label": "uint256", "numberOfBytes": "32"}
    layout = {"storage": [{"label": "a", "offset": 0, "slot": "0", "type": "t"}], "types": {"t": word}}
    moved = json.loads(json.dumps(layout))
    moved["storage"][0]["slot"] = "1"
    assert snapshots.storage_text({"C": layout}) == "C  slot   0 +  0    32 bytes  uint256  a\n"
    assert snapshots.storage_text({"C": layout}) != snapshots.storage_text({"C": moved})


def test_gas_changes__rise_fall_new_and_gone__are_told_apart() -> None:
    before = {"risen": 1, "fallen": 5, "gone": 2, "same": 9}
    now = {"risen": 2, "fallen": 4, "new": 3, "same": 9}
    assert snapshots.gas_changes(before, now) == [
        "gone: gone",
        "new: new: 3",
        "fell: fallen: 5 -> 4",
        "ROSE: risen: 1 -> 2",
    ]


def test_gas_text__read_back__is_the_same() -> None:
    figures = {"GasTest: settle, 1:1, gas per trade, N=100": 23_735, "AssetGasTest: transfer": 40_000}
    assert snapshots.parse_gas(snapshots.gas_text(figures)) == figures
