"""Signatures of accounts that are contracts: asked of the account itself, at the chain's node, within bounds.

ERC-1271, https://eips.ethereum.org/EIPS/eip-1271; and ERC-6492 for accounts that are not deployed yet,
https://eips.ethereum.org/EIPS/eip-6492. Whatever code is asked may loop: gas and time are capped.
"""

import asyncio
import logging
from typing import Any, Final, Protocol

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from contracts.errors import GridtraceError

logger = logging.getLogger(__name__)

TIME_LIMIT_S: Final = 0.3
GAS_LIMIT: Final = 3_000_000
"""Of one question, the deployment of the account included."""
MAX_SIGNATURE_BYTES: Final = 8_192
IS_VALID_SIGNATURE: Final = bytes.fromhex("1626ba7e")
"""Selector of isValidSignature(bytes32,bytes), and what it returns for a valid one."""
UNDEPLOYED: Final = bytes.fromhex("6492" * 16)
"""Ends a signature of an account that is not deployed yet."""
_YES: Final = (1).to_bytes(32, "big")


class Chain(Protocol):
    """The chain's node."""

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one JSON-RPC call."""
        ...


async def vouches(
    chain: Chain, account: bytes, digest: bytes, signature: bytes, *, limit_s: float | None = None
) -> bool:
    """Whether the account's contract takes the signature for its own. An account without code takes none.

    Raises:
        RpcUnavailable: no node answers.
    """
    code = _question(account, digest, signature)
    if code is None:
        return False
    # Without a receiver: the code runs as a contract's constructor would, and what it returns is the answer.
    call = {"data": "0x" + code.hex(), "gas": hex(GAS_LIMIT)}
    try:
        async with asyncio.timeout(TIME_LIMIT_S if limit_s is None else limit_s):
            answer = await chain.call("eth_call", call, "latest")
    except TimeoutError:
        logger.warning("account=0x%s did not say in time whether a signature is its own", account.hex())
        return False
    except GridtraceError as error:
        if error.retryable:
            raise
        return False
    return bool(answer == "0x" + _YES.hex())


def _question(account: bytes, digest: bytes, signature: bytes) -> bytes | None:
    """Code that deploys the account where the signature says how, asks it, and returns 1 or 0."""
    factory, deployment, own = bytes(20), b"", signature
    if signature.endswith(UNDEPLOYED):
        try:
            maker, deployment, own = decode(("address", "bytes", "bytes"), signature[: -len(UNDEPLOYED)])
        except (DecodingError, OverflowError, ValueError):
            return None
        factory = bytes.fromhex(maker[2:])
    question = IS_VALID_SIGNATURE + encode(("bytes32", "bytes"), (digest, own))
    return _asking(factory, deployment, account, question)


def _asking(factory: bytes, deployment: bytes, account: bytes, question: bytes) -> bytes:
    """EVM code: calls the factory, whatever comes of it; then asks the account, which can change nothing."""

    def push(value: int) -> bytes:
        return b"\x62" + value.to_bytes(3, "big")

    first, second = len(deployment), len(question)
    answer = -(-(first + second) // 32) * 32  # where memory is still empty: an answer cut short leaves zeros
    deploy = push(0) + push(0) + push(first) + push(0) + push(0) + b"\x73" + factory + b"\x5a\xf1\x50"  # GAS CALL POP
    ask = push(32) + push(answer) + push(second) + push(first) + b"\x73" + account + b"\x5a\xfa"  # GAS STATICCALL
    # MLOAD SHR(224) = selector, and the call succeeded, and at least 32 bytes came back.
    judge = push(answer) + b"\x51\x60\xe0\x1c\x63" + IS_VALID_SIGNATURE + b"\x14\x16" + b"\x60\x1f\x3d\x11\x16"
    end = b"\x60\x00\x52\x60\x20\x60\x00\xf3"  # MSTORE at 0, RETURN 32 bytes
    rest = (deploy if deployment else b"") + ask + judge + end
    load = push(first + second)
    copy = b"\x60\x00\x39"  # CODECOPY to 0
    start = len(load) + len(push(0)) + len(copy) + len(rest)
    return load + push(start) + copy + rest + deployment + question
