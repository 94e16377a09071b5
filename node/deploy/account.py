"""The deployer's account on a chain: reading contracts, and sending transactions one after the other."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import ClientError, ClientTimeout
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import TxParams

from contracts.abi import decode_result, encode_call
from contracts.errors import GridtraceError
from contracts.reverts import decode_revert
from contracts.typed_data import checksum
from indexer.errors import RpcUnavailable, WrongChain
from indexer.rpc import http_url
from node.deploy.plan import Addresses, Fact
from node.wallet import Signer

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
RECEIPT_TIMEOUT_S: Final = 180.0
RECEIPT_POLL_S: Final = 0.1


class DeploymentFailed(GridtraceError):
    """A transaction of the deployment was refused or reverted."""

    code = "deployment-failed"


class DeploymentStuck(GridtraceError):
    """A transaction of the deployment is in no block yet; run the deployment again to go on."""

    code = "deployment-stuck"
    retryable = True


class Account:
    """Sends with explicit nonces, so that sending twice can take effect only once."""

    def __init__(self, web3: AsyncWeb3[AsyncHTTPProvider], signer: Signer, chain_id: int) -> None:
        self._eth = web3.eth
        self._signer = signer
        self._chain_id = chain_id
        self.address = signer.address

    async def check_chain(self) -> None:
        """Raises WrongChain where the node serves another chain."""
        served = await self._eth.chain_id
        if served != self._chain_id:
            raise WrongChain(f"the node serves chain {served}, not {self._chain_id}")

    async def head(self) -> int:
        """Number of the newest block."""
        return int(await self._eth.block_number)

    async def genesis(self) -> str:
        """Hash of the first block: tells a chain from another one with the same id."""
        return "0x" + bytes((await self._eth.get_block(0))["hash"]).hex()

    async def has_code(self, address: bytes) -> bool:
        """Whether a contract stands there."""
        return len(await self._eth.get_code(_checksum(address))) > 0

    async def holds(self, fact: Fact, at: Addresses) -> bool:
        """Whether the contract answers as expected."""
        call: TxParams = {
            "from": _checksum(self.address),
            "to": _checksum(at[fact.contract]),
            "data": HexBytes(encode_call(fact.contract, fact.function, *fact.arguments)),
        }
        found = decode_result(fact.contract, fact.function, bytes(await self._eth.call(call)))
        expected = tuple("0x" + value.hex() if isinstance(value, bytes) else value for value in fact.expected)
        return found == expected

    async def nonce(self) -> int:
        """Nonce of the next transaction, once none of ours is waiting for a block.

        Raises:
            DeploymentStuck: one still waits when the time is up.
        """
        sender = _checksum(self.address)
        async for _ in _until(RECEIPT_TIMEOUT_S):
            mined = await self._eth.get_transaction_count(sender, "latest")
            if await self._eth.get_transaction_count(sender, "pending") <= mined:
                return int(mined)
        raise DeploymentStuck(f"a transaction of {checksum(self.address)} has waited {RECEIPT_TIMEOUT_S:.0f} s")

    async def send(self, what: str, nonce: int, to: bytes | None, data: bytes) -> None:
        """Sends one transaction and waits for its block.

        Raises:
            DeploymentFailed: it would revert, or it did.
            DeploymentStuck: no block has it when the time is up.
        """
        fields: TxParams = {"from": _checksum(self.address), "data": HexBytes(data), "value": 0}  # type: ignore[typeddict-item]
        if to is not None:
            fields["to"] = _checksum(to)
        try:
            gas = int(await self._eth.estimate_gas(fields) * 5 // 4)
        except (ContractLogicError, Web3RPCError) as error:
            raise DeploymentFailed(f"{what}: {_reason(error)}") from error
        raw = self._signer.sign_transaction({**await self._envelope(nonce, gas, to), "data": data})
        try:
            transaction_hash = await self._eth.send_raw_transaction(raw)
        except Web3RPCError as error:
            raise DeploymentFailed(f"{what}: {error}") from error
        await self._mined(what, transaction_hash)

    async def _envelope(self, nonce: int, gas: int, to: bytes | None) -> dict[str, Any]:
        base_fee = int((await self._eth.get_block("latest")).get("baseFeePerGas", 0))
        tip = int(await self._eth.max_priority_fee)
        return {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": 0,
            "maxFeePerGas": 2 * base_fee + tip,
            "maxPriorityFeePerGas": tip,
            "accessList": [],
            **({} if to is None else {"to": to}),
        }

    async def _mined(self, what: str, transaction_hash: HexBytes) -> None:
        async for _ in _until(RECEIPT_TIMEOUT_S):
            try:
                receipt = await self._eth.get_transaction_receipt(transaction_hash)
            except TransactionNotFound:
                continue
            if receipt["status"] != 1:
                raise DeploymentFailed(f"{what}: reverted in block {receipt['blockNumber']}")
            logger.info("deployed step=%s block=%d gas=%d", what, receipt["blockNumber"], receipt["gasUsed"])
            return
        raise DeploymentStuck(f"{what}: in no block after {RECEIPT_TIMEOUT_S:.0f} s")


@asynccontextmanager
async def open_account(rpc_url: str, signer: Signer, chain_id: int) -> AsyncIterator[Account]:
    """The account, for the length of a deployment. Raises RpcUnavailable where the node does not answer."""
    web3 = AsyncWeb3(AsyncHTTPProvider(http_url(rpc_url), request_kwargs={"timeout": ClientTimeout(total=TIMEOUT_S)}))
    try:
        yield Account(web3, signer, chain_id)
    except (ClientError, TimeoutError) as error:
        raise RpcUnavailable(f"the node does not answer: {type(error).__name__} {error}") from error
    finally:
        await web3.provider.disconnect()


async def _until(timeout_s: float) -> AsyncIterator[None]:
    """Yields every RECEIPT_POLL_S until the time is up."""
    clock = asyncio.get_running_loop()
    end = clock.time() + timeout_s
    while clock.time() < end:
        yield
        await asyncio.sleep(RECEIPT_POLL_S)


def _checksum(address: bytes) -> Any:
    return checksum(address)


def _reason(error: Exception) -> str:
    data = getattr(error, "data", None)
    if isinstance(data, str) and data.startswith("0x"):
        return str(decode_revert(bytes.fromhex(data[2:])))
    return str(error)
