"""Events of the token standards, and how they are recognised in any ABI."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from indexer.event import Event


def _entry(signature: str) -> dict[str, Any]:
    """An event in JSON from ``Name(type indexed name, …)``."""
    name, _, rest = signature.removesuffix(")").partition("(")
    inputs = []
    for part in rest.split(","):
        words = part.split()
        inputs.append({"type": words[0], "name": words[-1], "indexed": "indexed" in words})
    return {"type": "event", "name": name, "inputs": inputs, "anonymous": False}


def _function(signature: str, *, changes: bool = False) -> dict[str, Any]:
    """A function in JSON from ``name(type name, …) type``."""
    name, _, rest = signature.partition("(")
    given, _, returned = rest.partition(")")
    inputs = [dict(zip(("type", "name"), part.split(), strict=True)) for part in given.split(", ") if part]
    outputs = [{"type": returned.strip(), "name": ""}] if returned else []
    state = "nonpayable" if changes else "view"
    return {"type": "function", "name": name, "inputs": inputs, "outputs": outputs, "stateMutability": state}


ERC20: Final = "erc20"
ERC721: Final = "erc721"
ERC1155: Final = "erc1155"
ABIS: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    # https://eips.ethereum.org/EIPS/eip-20
    ERC20: [
        _entry("Transfer(address indexed from, address indexed to, uint256 value)"),
        _entry("Approval(address indexed owner, address indexed spender, uint256 value)"),
        _function("name() string"),
        _function("symbol() string"),
        _function("decimals() uint8"),
        _function("totalSupply() uint256"),
        _function("balanceOf(address account) uint256"),
        _function("allowance(address owner, address spender) uint256"),
        _function("transfer(address to, uint256 value) bool", changes=True),
        _function("approve(address spender, uint256 value) bool", changes=True),
        _function("transferFrom(address from, address to, uint256 value) bool", changes=True),
    ],
    # https://eips.ethereum.org/EIPS/eip-721
    ERC721: [
        _entry("Transfer(address indexed from, address indexed to, uint256 indexed tokenId)"),
        _entry("Approval(address indexed owner, address indexed approved, uint256 indexed tokenId)"),
        _entry("ApprovalForAll(address indexed owner, address indexed operator, bool approved)"),
        _function("balanceOf(address owner) uint256"),
        _function("ownerOf(uint256 tokenId) address"),
        _function("getApproved(uint256 tokenId) address"),
        _function("tokenURI(uint256 tokenId) string"),
    ],
    # https://eips.ethereum.org/EIPS/eip-1155
    ERC1155: [
        _entry(
            "TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, "
            "uint256 value)"
        ),
        _entry(
            "TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, "
            "uint256[] values)"
        ),
        _entry("ApprovalForAll(address indexed account, address indexed operator, bool approved)"),
        _entry("URI(string value, uint256 indexed id)"),
        _function("balanceOf(address account, uint256 id) uint256"),
        _function("uri(uint256 id) string"),
    ],
}
TRANSFER: Final = "Transfer(address,address,uint256)"
SINGLE: Final = "TransferSingle(address,address,address,uint256,uint256)"
BATCH: Final = "TransferBatch(address,address,address,uint256[],uint256[])"


def transfer(events: Sequence[Event], *, indexed: int | None, last_indexed: bool) -> Event | None:
    """The Transfer event with that many indexed arguments, or any number of them."""
    for event in events:
        fits = event.signature == TRANSFER and event.arguments[2].indexed == last_indexed
        if fits and indexed in (None, len(event.indexed)):
            return event
    return None


def needed(standard: str, events: Sequence[Event], *, is_named: bool) -> tuple[Event, ...]:
    """The events that the standard's state is made of; empty where the contract lacks one.

    Args:
        is_named: the contract is said to follow the standard, so that other choices of indexed arguments (as in
            tokens older than the standards) are taken too.
    """
    if standard == ERC1155:
        found = [next((e for e in events if e.signature == wanted), None) for wanted in (SINGLE, BATCH)]
    elif standard == ERC20:
        exact = transfer(events, indexed=2, last_indexed=False)
        found = [exact or (transfer(events, indexed=None, last_indexed=False) if is_named else None)]
    else:
        exact = transfer(events, indexed=3, last_indexed=True)
        older = transfer(events, indexed=None, last_indexed=True) or transfer(events, indexed=0, last_indexed=False)
        found = [exact or (older if is_named else None)]
    return tuple(event for event in found if event) if all(found) else ()


def recognised(events: Sequence[Event]) -> tuple[str, ...]:
    """The standards whose events a contract has."""
    return tuple(standard for standard in ABIS if needed(standard, events, is_named=False))
