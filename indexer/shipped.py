"""The manifest that is shipped: this project's own contracts, at the addresses of a deployment."""

from collections.abc import Mapping
from typing import Final

from contracts.abi import artifact
from contracts.addresses import Deployment
from indexer.manifest import Contract, Factory, Manifest

FACTORIES: Final[Mapping[str, Factory]] = {
    "AssetToken": Factory("AssetFactory", "AssetCreated", "asset"),
}
"""Contracts that others of ours make, by name."""


def manifest_of(deployment: Deployment) -> Manifest:
    """All deployed contracts with the ABIs of their artifacts, and all that they make."""
    contracts = [
        Contract(name, address, artifact(name).abi, executions=True) for name, address in deployment.addresses.items()
    ]
    contracts += [
        Contract(name, b"", artifact(name).abi, factory=factory)
        for name, factory in FACTORIES.items()
        if factory.contract in deployment.addresses
    ]
    return Manifest(deployment.chain_id, deployment.start_block, tuple(contracts))
