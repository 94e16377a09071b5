"""A block on anvil with transactions of every type, some with logs, some that fail."""

from collections.abc import Callable
from typing import Any

from eth_account import Account

from indexer.rpc import Rpc
from tests.integration.indexer import emitter

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
EMITTERS = tuple(bytes([number]) * 20 for number in (0xE1, 0xE2, 0xE3))
TOPIC = bytes([7]) * 32
FEES = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}


def call(count: int, number: int) -> str:
    """Calldata for a log with ``count`` topics."""
    topics = [TOPIC, *(bytes([number, at]) * 16 for at in range(count - 1))]
    return emitter.raw_calldata(topics, bytes([number]) * (number * 7 % 100))


def legacy(number: int) -> dict[str, Any]:
    return {"gasPrice": 10**11}


def with_access_list(number: int) -> dict[str, Any]:
    return {"type": 1, "gasPrice": 10**11, "accessList": [{"address": "0x" + "11" * 20, "storageKeys": []}]}


def dynamic_fee(number: int) -> dict[str, Any]:
    return {"type": 2, **FEES}


def set_code(number: int) -> dict[str, Any]:
    authority = Account.from_key(bytes(31) + bytes([number + 1]))
    signed = authority.sign_authorization({"chainId": 31337, "address": "0x" + "22" * 20, "nonce": 0})
    return {"type": 4, **FEES, "authorizationList": [signed]}


KINDS: tuple[Callable[[int], dict[str, Any]], ...] = (legacy, with_access_list, dynamic_fee, set_code)


async def mined(rpc: Rpc, count: int, *, with_blob: bool = False) -> dict[str, Any]:
    """Mines one block of ``count`` transactions of all types; gives it as the node tells it."""
    sender = Account.from_key(KEY)
    await emitter.install(rpc, EMITTERS)
    await rpc.call("evm_setAutomine", False)
    first = int(await rpc.call("eth_getTransactionCount", sender.address, "latest"), 16)
    for number in range(count):
        # Every seventh fails: a log of no topics is not known to the code.
        topics = 0 if number % 7 == 6 else number % 4 + 1
        transaction = {
            "chainId": 31337,
            "nonce": first + number,
            "to": EMITTERS[number % 3],
            "value": 0,
            "gas": 200_000,
            "data": call(topics, number) if topics else "0x",
            **KINDS[number % len(KINDS)](number),
        }
        await _send(rpc, sender.sign_transaction(transaction))
    if with_blob:
        transaction = {
            "chainId": 31337,
            "nonce": first + count,
            "to": EMITTERS[0],
            "value": 0,
            "gas": 200_000,
            "data": call(2, 3),
            "type": 3,
            **FEES,
            "maxFeePerBlobGas": 10**10,
        }
        await _send(rpc, sender.sign_transaction(transaction, blobs=[bytes(131_072)]))
    await emitter.mine(rpc)
    block: dict[str, Any] = await rpc.call("eth_getBlockByNumber", "latest", True)
    return block


async def _send(rpc: Rpc, signed: Any) -> None:
    await rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
