"""Many calls in one: Multicall3's ``aggregate3``. Pure.

Source: https://github.com/mds1/multicall (Multicall3, at the same address on some hundred chains)
"""

from collections.abc import Sequence
from typing import Final

from eth_hash.auto import keccak

ADDRESS: Final = bytes.fromhex("cA11bde05977b3631167028862bE2a173976CA11")
AGGREGATE3: Final = keccak(b"aggregate3((address,bool,bytes)[])")[:4]


def calldata(calls: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Of targets and their calldata; each may fail by itself."""
    # Slow to import, and used by few.
    from eth_abi.abi import encode

    return AGGREGATE3 + encode(["(address,bool,bytes)[]"], [[(to, True, data) for to, data in calls]])


def results(data: bytes, count: int) -> list[tuple[bool, bytes]] | None:
    """Whether each call succeeded, and what it returned; None where this is no answer for ``count`` calls."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        (found,) = decode(["(bool,bytes)[]"], data)
    except (DecodingError, OverflowError):
        return None
    return list(found) if len(found) == count else None
