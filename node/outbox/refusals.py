"""What a node's refusal means. Clients word them differently; the words looked for are geth's, reth's and anvil's."""

from enum import Enum, auto
from typing import Any

from contracts.reverts import decode_revert
from node.outbox.rpc import RpcError


class Verdict(Enum):
    """What to do after a node refused a signed transaction."""

    KNOWN = auto()
    """It has it already: the same as taken."""
    NONCE_USED = auto()
    """A block holds this nonce: look for the receipt."""
    TOO_CHEAP = auto()
    """Offer higher fees."""
    NEVER = auto()
    """No node will take these bytes."""
    LATER = auto()
    """Send it again later."""


_WORDS = (
    (Verdict.KNOWN, ("already known", "already imported", "known transaction", "already exists")),
    (Verdict.NONCE_USED, ("nonce too low", "nonce is too low", "nonce already used")),
    (Verdict.TOO_CHEAP, ("underpriced", "fee per gas less than", "fee cap less than", "less than block base fee")),
    (Verdict.NEVER, ("intrinsic gas", "gas limit", "oversized", "exceeds the configured cap")),
)
_FAILED = ("revert", "evm error", "out of gas", "gas required exceeds", "invalid opcode", "stack ", "invalid jump")


def verdict(refusal: RpcError) -> Verdict:
    """What a refusal of ``eth_sendRawTransaction`` means."""
    message = refusal.message.lower()
    return next((found for found, words in _WORDS if any(word in message for word in words)), Verdict.LATER)


def is_failure(refusal: RpcError) -> bool:
    """Whether a simulation ran and failed; False where it could not run (yet)."""
    message = refusal.message.lower()
    return refusal.rpc_code == 3 or revert_data(refusal) != b"" or any(word in message for word in _FAILED)


def revert_data(refusal: RpcError) -> bytes:
    """The revert's ABI-encoded error; empty where the node gave none."""
    return _hex_in(refusal.data)


def reason(refusal: RpcError) -> str:
    """The contract's error with its values, or the node's words where there is none."""
    data = revert_data(refusal)
    return str(decode_revert(data)) if data else refusal.message or "reverted without a reason"


def _hex_in(data: Any) -> bytes:
    if isinstance(data, dict):
        return _hex_in(data.get("data"))
    if not isinstance(data, str) or "0x" not in data:
        return b""
    try:
        return bytes.fromhex(data.partition("0x")[2])
    except ValueError:
        return b""
