"""Nonces that a wallet must sign next: asked of the chain, with what is on its way added.

A permit may be used outside of this node, so only the chain can tell. It is asked while no connection to the database
is held: an answer may take seconds.
"""

from typing import Final

from contracts.abi import decode_result, encode_call
from indexer.db import Connection, queries
from node.outbox.rpc import Rpc
from node.participants import ChainContext

SQL = queries(__name__)

PERMITS: Final = ("deposit", "buy_fractions", "deposit_revenue")
"""Kinds of transactions that carry a permit of the payment token."""


async def purchases_under_way(db: Connection, token: bytes, account: bytes) -> int:
    """How many purchases of an asset an account has on their way to the chain."""
    return int(await db.fetchval(SQL["purchases"], f"purchase:{token.hex()}:{account.hex()}:%"))


async def permits_under_way(db: Connection, account: bytes) -> int:
    """How many permits of the payment token an account has on their way to the chain."""
    return int(await db.fetchval(SQL["on_their_way"], list(PERMITS), account.hex()))


async def of_asset(rpc: Rpc, token: bytes, account: bytes, under_way: int) -> int:
    """The nonce of an account's next purchase of an asset. Raises RpcUnavailable, RpcError."""
    return under_way + await _ask(rpc, "AssetToken", token, account)


async def of_permit(rpc: Rpc, chain: ChainContext, account: bytes, under_way: int) -> int:
    """The nonce of an account's next permit of the payment token. Raises RpcUnavailable, RpcError."""
    return under_way + await _ask(rpc, "PaymentToken", chain.deployment.address("PaymentToken"), account)


async def _ask(rpc: Rpc, contract: str, target: bytes, account: bytes) -> int:
    call = {"to": "0x" + target.hex(), "data": "0x" + encode_call(contract, "nonces", account).hex()}
    answer = await rpc.call("eth_call", call, "latest")
    return int(decode_result(contract, "nonces", bytes.fromhex(answer[2:]))[0])
