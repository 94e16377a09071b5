"""Token standards are recognised by their events, whatever the arguments are called."""

from typing import Any

import pytest

from indexer import templates
from indexer.manifest import Contract, Manifest, events_of
from indexer.standards import ABIS, needed, recognised


def transfer(*indexed: bool) -> dict[str, Any]:
    inputs = [
        {"type": kind, "name": name, "indexed": flag}
        for kind, name, flag in zip(("address", "address", "uint256"), ("src", "dst", "wad"), indexed, strict=True)
    ]
    return {"type": "event", "name": "Transfer", "inputs": inputs}


@pytest.mark.parametrize("standard", ABIS)
def test_recognised__abi_of_a_standard__is_it_alone(standard: str) -> None:
    assert recognised(events_of("C", ABIS[standard])) == (standard,)


@pytest.mark.parametrize(
    ("indexed", "standard", "named"),
    [
        ((True, True, False), "erc20", ()),
        ((True, True, True), "erc721", ()),
        ((False, False, False), None, ("erc20", "erc721")),
        ((True, False, True), None, ("erc721",)),
    ],
)
def test_needed__older_tokens__are_taken_where_they_are_named(
    indexed: tuple[bool, ...], standard: str | None, named: tuple[str, ...]
) -> None:
    events = events_of("C", [transfer(*indexed)])
    assert recognised(events) == ((standard,) if standard else ())
    for one in named:
        assert needed(one, events, is_named=True) == events


def test_of__names_of_arguments__stand_in_the_statements() -> None:
    contract = Contract("Weth", bytes(20), [transfer(True, True, False)])
    (projection,) = templates.of(Manifest(1, 0, (contract, contract)))
    assert '"dst" as account, "wad" as amount' in projection.fold
    assert "{" not in "".join(filter(None, (projection.fold, projection.touched, projection.clear)))
    assert projection.sources == {"fact_weth_transfer"}


def test_of__projections_switched_off__are_none() -> None:
    assert templates.of(Manifest(1, 0, (Contract("C", bytes(20), ABIS["erc20"], projections=()),))) == ()


def test_indexes__erc721__has_one_over_token_ids() -> None:
    manifest = Manifest(1, 0, (Contract("Nft", bytes(20), ABIS["erc721"]),))
    assert templates.indexes(manifest, ["fact_other"]) == []
    assert len(templates.indexes(manifest, ["fact_nft_transfer"])) == 1
