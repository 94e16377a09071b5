"""Our own contracts are a manifest like any other."""

import pytest

from contracts.addresses import Deployment
from indexer import shipped, templates
from indexer.manifest_rules import faults_of
from indexer.standards import ABIS


def test_manifest_of__deployment__has_every_contract_and_keeps_the_rules() -> None:
    deployment = Deployment(7, 3, {"PaymentToken": bytes([1]) * 20, "ProductionLedger": bytes([2]) * 20})
    manifest = shipped.manifest_of(deployment)
    assert (manifest.chain_id, manifest.start_block) == (7, 3)
    assert [contract.name for contract in manifest.contracts] == ["PaymentToken", "ProductionLedger"]
    assert all(contract.executions for contract in manifest.contracts)
    assert faults_of(manifest) == []
    assert [projection.name for projection in templates.of(manifest)] == ["erc20_fact_payment_token_transfer"]


def test_manifest_of__factory_of_ours__brings_its_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    created = {
        "type": "event",
        "name": "AssetCreated",
        "inputs": [{"type": "address", "name": "asset", "indexed": True}],
    }

    class Fake:
        def __init__(self, name: str) -> None:
            self.abi = [created] if name == "AssetFactory" else ABIS["erc20"]

    monkeypatch.setattr(shipped, "artifact", Fake)
    manifest = shipped.manifest_of(Deployment(7, 3, {"AssetFactory": bytes([1]) * 20}))
    assert [(contract.name, contract.address) for contract in manifest.contracts] == [
        ("AssetFactory", bytes([1]) * 20),
        ("AssetToken", b""),
    ]
    assert faults_of(manifest) == []
