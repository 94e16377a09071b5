"""Compiled contracts, and calls to them. The artifacts are committed; scripts/compile_contracts.py makes them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from eth_hash.auto import keccak

from contracts.errors import GridtraceError

CONTRACTS: Final = (
    "GridtraceAccessManager",
    "ParticipantRegistry",
    "PaymentToken",
    "EnergyToken",
    "SettlementExchange",
    "ProductionLedger",
    "TraceToken",
    "GridtraceTimelock",
    "TraceGovernor",
    "StakingPools",
    "Escrow",
    "AssetFactory",
    "ProductRegistry",
    "Certificates",
    "CarbonCredits",
)
"""All deployed contracts, in the order in which they are deployed."""

CHILDREN: Final = ("AssetToken",)
"""Contracts that a deployed contract creates: AssetFactory one for every asset (event ``AssetCreated``)."""

ARTIFACTS: Final = CONTRACTS + CHILDREN


class AbiMismatch(GridtraceError):
    """The contract has no such function, or it takes other arguments."""

    code = "abi-mismatch"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    """What creates it; constructor arguments follow."""
    deployed_bytecode: bytes
    """What stands at its address, with zeros where the constructor writes immutable values."""
    compiler: str
    source_hash: str
    """SHA-256 of everything that it was compiled from."""
    immutables: tuple[tuple[int, int], ...]
    """Start and length of each place in the deployed bytecode where the constructor writes an immutable value."""

    def is_code(self, code: bytes) -> bool:
        """Whether ``code`` is this contract's, whatever its immutable values are."""
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked) == self.deployed_bytecode


@cache
def artifact(name: str) -> Artifact:
    """A compiled contract by name.

    Raises:
        AbiMismatch: there is no such contract.
    """
    file = files("contracts") / "artifacts" / f"{name}.json"
    if not file.is_file():
        raise AbiMismatch(f"there is no contract {name!r}")
    fields = json.loads(file.read_text())
    return Artifact(
        name=fields["name"],
        abi=fields["abi"],
        bytecode=bytes.fromhex(fields["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(fields["deployed_bytecode"][2:]),
        compiler=fields["compiler"],
        source_hash=fields["source_hash"],
        immutables=tuple((start, length) for start, length in fields["immutables"]),
    )


def type_name(parameter: dict[str, Any]) -> str:
    """The canonical type of an ABI parameter; a struct is a tuple: ``(address,uint64)[]``."""
    text = str(parameter["type"])
    if not text.startswith("tuple"):
        return text
    return f"({','.join(map(type_name, parameter['components']))}){text.removeprefix('tuple')}"


def signature(entry: dict[str, Any]) -> str:
    """``name(type,type)`` of a function, event or error."""
    return f"{entry['name']}({','.join(map(type_name, entry['inputs']))})"


@cache
def _function(contract: str, name: str, arity: int | None) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """Selector, types of the arguments, types of the results."""
    for entry in artifact(contract).abi:
        if entry["type"] == "function" and entry["name"] == name and arity in (None, len(entry["inputs"])):
            arguments, results = (tuple(map(type_name, entry[side])) for side in ("inputs", "outputs"))
            return keccak(signature(entry).encode())[:4], arguments, results
    raise AbiMismatch(f"{contract} has no function {name} of {arity} arguments")


def _encode(what: str, types: Sequence[str], arguments: Sequence[Any]) -> bytes:
    # Slow to import, and needed by few: who only reads ABIs does without.
    from eth_abi.abi import encode
    from eth_abi.exceptions import EncodingError

    try:
        return encode(types, arguments)
    except (EncodingError, TypeError, ValueError) as error:
        raise AbiMismatch(f"{what}: {error}") from error


def selector(contract: str, function: str) -> bytes:
    """The four bytes that name a function."""
    return _function(contract, function, None)[0]


def encode_call(contract: str, function: str, *arguments: Any) -> bytes:
    """Calldata. Addresses are 20 bytes, structs are tuples.

    Raises:
        AbiMismatch: no such function, or an argument does not fit its type.
    """
    name, types, _ = _function(contract, function, len(arguments))
    return name + _encode(f"{contract}.{function}", types, arguments)


def decode_result(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """What a call returned; addresses as 0x text in lower case. Raises AbiMismatch."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    results = _function(contract, function, None)[2]
    try:
        return tuple(decode(results, data))
    except (DecodingError, OverflowError) as error:
        raise AbiMismatch(f"{contract}.{function} returned {len(data)} bytes that are not {results}") from error


def creation_code(contract: str, *arguments: Any) -> bytes:
    """The data of the transaction that creates a contract with these constructor arguments. Raises AbiMismatch."""
    compiled = artifact(contract)
    types = [
        type_name(parameter)
        for entry in compiled.abi
        if entry["type"] == "constructor"
        for parameter in entry["inputs"]
    ]
    return compiled.bytecode + _encode(f"{contract}.constructor", types, arguments)
