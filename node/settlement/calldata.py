"""The three calls that settlement sends, encoded (Solidity ABI), and the gas they may take.

The limits are given and not estimated: an estimate made before the transaction ahead of it is mined would be of
another state. What is not used is not paid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode
from eth_hash.auto import keccak

MAX_GAS: Final = 16_777_216
"""Most gas of one transaction (EIP-7825)."""


@dataclass(frozen=True, slots=True)
class Call:
    """Calldata and its gas limit."""

    data: bytes
    gas_limit: int


def attest(zone: int, slot_end: int, readings_root: bytes, registers: bytes, meters: int) -> Call:
    """``ProductionLedger.attest``: ``registers`` packed, of ``meters`` meters."""
    data = _encode("attest", ("uint32", "uint64", "bytes32", "bytes"), (zone, slot_end, readings_root, registers))
    return Call(data, _gas(150_000, 45_000 * meters))


def issue(meter_ids: Sequence[int]) -> Call:
    """``ProductionLedger.issue``."""
    return Call(_encode("issue", ("uint32[]",), (list(meter_ids),)), _gas(200_000, 150_000 * len(meter_ids)))


def settle(batch: bytes, fills: int, adjustments: int) -> Call:
    """``SettlementExchange.settle``: one packed batch."""
    return Call(_encode("settle", ("bytes",), (batch,)), _gas(250_000, 120_000 * fills + 60_000 * adjustments))


def _encode(name: str, types: tuple[str, ...], arguments: tuple[Any, ...]) -> bytes:
    selector = keccak(f"{name}({','.join(types)})".encode())[:4]
    return selector + encode(types, arguments)


def _gas(base: int, variable: int) -> int:
    return min(base + variable, MAX_GAS)
