"""The committed artifacts and bindings are what the sources compile to."""

import json

import pytest

from contracts.abi import ARTIFACTS, artifact
from scripts import compile_contracts, generate_bindings

MAX_CODE_BYTES = 24_576  # EIP-170


@pytest.mark.timeout(300)
def test_artifacts__compiled_again__equal_the_committed() -> None:
    assert compile_contracts.differences(compile_contracts.compile_all()) == []


def test_bindings__generated_again__equal_the_committed() -> None:
    assert generate_bindings.EVENTS.read_text() == generate_bindings.events_source()
    assert generate_bindings.REVERTS.read_text() == generate_bindings.reverts_source()


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifact__each_contract__fits_the_code_limit(name: str) -> None:
    assert 0 < len(artifact(name).deployed_bytecode) <= MAX_CODE_BYTES


def test_resolve__imports__named_from_the_repository() -> None:
    assert compile_contracts.resolve("contracts/src/a/B.sol", "../i/C.sol") == "contracts/src/i/C.sol"
    assert compile_contracts.resolve("contracts/src/a/B.sol", "./C.sol") == "contracts/src/a/C.sol"
    assert compile_contracts.resolve("contracts/src/a/B.sol", "@o/c/D.sol") == "@o/c/D.sol"


def test_differences__one_byte_changed_or_one_file_too_many__named() -> None:
    stored = {name: json.loads(_text(name)) for name in ARTIFACTS}
    assert compile_contracts.differences(stored) == []
    stored["EnergyToken"]["bytecode"] += "00"
    del stored["PaymentToken"]
    assert compile_contracts.differences(stored) == ["EnergyToken.json", "PaymentToken.json"]


def _text(name: str) -> str:
    return (compile_contracts.ARTIFACTS / f"{name}.json").read_text()
