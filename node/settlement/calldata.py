"""The three calls that settlement sends, encoded (Solidity ABI), and the gas they may take.

The limits are given and not estimated: an estimate made before the transaction ahead of it is mined would be of
another state. What is not used is not paid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.abi import encode_call

MAX_GAS: Final = 16_777_216
"""Most gas of one transaction (EIP-7825)."""


@dataclass(frozen=True, slots=True)
class Call:
    """Calldata and its gas limit."""

    data: bytes
    gas_limit: int


def attest(zone: int, slot_end: int, readings_root: bytes, registers: bytes, meters: int) -> Call:
    """``ProductionLedger.attest``: ``registers`` packed, of ``meters`` meters."""
    data = encode_call("ProductionLedger", "attest", zone, slot_end, readings_root, registers)
    return Call(data, _gas(150_000, 45_000 * meters))


def issue(meter_ids: Sequence[int]) -> Call:
    """``ProductionLedger.issue``."""
    data = encode_call("ProductionLedger", "issue", list(meter_ids))
    return Call(data, _gas(200_000, 150_000 * len(meter_ids)))


def settle(batch: bytes, fills: int, adjustments: int) -> Call:
    """``SettlementExchange.settleBatch``: one packed batch."""
    data = encode_call("SettlementExchange", "settleBatch", batch)
    return Call(data, _gas(250_000, 120_000 * fills + 60_000 * adjustments))


def _gas(base: int, variable: int) -> int:
    return min(base + variable, MAX_GAS)
