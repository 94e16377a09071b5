"""Nonces that a wallet must sign next: asked of the chain, with what is on its way added.

A permit may be used outside of this node, so only the chain can tell.
"""

from typing import Final

from contracts.abi import decode_result, encode_call
from indexer.db import Connection, queries
from node.outbox.rpc import Rpc
from node.participants import ChainContext

SQL = queries(__name__)

PERMITS: Final = ("deposit", "buy_fractions", "deposit_revenue")
"""Kinds of transactions that carry a permit of the payment token."""


async def of_asset(db: Connection, rpc: Rpc, token: bytes, account: bytes) -> int:
    """The nonce of an account's next purchase of an asset. Raises RpcUnavailable, RpcError."""
    used = await _ask(rpc, "AssetToken", token, account)
    return used + int(await db.fetchval(SQL["purchases"], f"purchase:{token.hex()}:{account.hex()}:%"))


async def of_permit(db: Connection, rpc: Rpc, chain: ChainContext, account: bytes) -> int:
    """The nonce of an account's next permit of the payment token. Raises RpcUnavailable, RpcError."""
    used = await _ask(rpc, "PaymentToken", chain.deployment.address("PaymentToken"), account)
    return used + int(await db.fetchval(SQL["on_their_way"], list(PERMITS), account.hex()))


async def _ask(rpc: Rpc, contract: str, target: bytes, account: bytes) -> int:
    call = {"to": "0x" + target.hex(), "data": "0x" + encode_call(contract, "nonces", account).hex()}
    answer = await rpc.call("eth_call", call, "latest")
    return int(decode_result(contract, "nonces", bytes.fromhex(answer[2:]))[0])
