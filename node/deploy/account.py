"""The deployer's account on a chain: reading contracts, and sending transactions with explicit nonces."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientError, ClientTimeout
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import FilterParams, LogReceipt, TxParams

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
READS_AT_ONCE: Final = 16
LOG_BLOCKS: Final = 1_000
TRANSACTION_GAS: Final = 16_777_216
"""The most gas of a transaction (EIP-7825)."""

# What nodes answer to a transaction that they, or the chain, have already: by an earlier run, or by a resent request.
_HERE_ALREADY: Final = ("already known", "known transaction", "already imported", "nonce too low", "underpriced")


class DeploymentFailed(GridtraceError):
    """A transaction of the deployment was refused or reverted."""

    code = "deployment-failed"


class DeploymentStuck(GridtraceError):
    """A transaction of the deployment is in no block yet; run the deployment again to go on."""

    code = "deployment-stuck"
    retryable = True


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction to send; ``to`` is None where it creates a contract."""

    what: str
    to: bytes | None
    data: bytes


class Account:
    """Sends with explicit nonces, so that sending twice can take effect only once."""

    def __init__(self, web3: AsyncWeb3[AsyncHTTPProvider], signer: Signer, chain_id: int) -> None:
        self._eth = web3.eth
        self._signer = signer
        self._chain_id = chain_id
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
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

    async def code(self, address: bytes) -> bytes:
        """The contract that stands there; nothing where none does."""
        async with self._reads:
            return bytes(await self._eth.get_code(_checksum(address)))

    async def ask(self, at: bytes, contract: str, function: str, *arguments: Any) -> tuple[Any, ...]:
        """What a contract answers; addresses as 0x text in lower case."""
        call: TxParams = {
            "from": _checksum(self.address),
            "to": _checksum(at),
            "data": HexBytes(encode_call(contract, function, *arguments)),
        }
        async with self._reads:
            return decode_result(contract, function, bytes(await self._eth.call(call)))

    async def holds(self, fact: Fact, at: Addresses) -> bool:
        """Whether the contract answers as expected."""
        found = await self.ask(at[fact.contract], fact.contract, fact.function, *fact.arguments)
        return found == tuple(
            "0x" + value.hex() if isinstance(value, bytes) and len(value) == 20 else value for value in fact.expected
        )

    async def missing(self, facts: Sequence[Fact], at: Addresses) -> list[Fact]:
        """The facts that do not hold."""
        held = await asyncio.gather(*(self.holds(fact, at) for fact in facts))
        return [fact for fact, holds in zip(facts, held, strict=True) if not holds]

    async def logs(self, address: bytes, first: int) -> list[LogReceipt]:
        """Everything that a contract has logged since block ``first``."""
        found: list[LogReceipt] = []
        head = await self.head()
        for start in range(first, head + 1, LOG_BLOCKS):
            wanted: FilterParams = {
                "address": _checksum(address),
                "fromBlock": _block(start),
                "toBlock": _block(min(start + LOG_BLOCKS - 1, head)),
            }
            found += await self._eth.get_logs(wanted)
        return found

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

    async def send(self, nonce: int, calls: Sequence[Call], mined: Callable[[Call], None]) -> None:
        """Sends transactions that do not depend on each other, one nonce after the other, and waits for their blocks.

        Where a node has another transaction of a nonce already, that one counts: whether it had the wanted effect is
        for the caller to look.

        Raises:
            DeploymentFailed: one would revert, or did; or there is not enough money for all of them.
            DeploymentStuck: one is in no block when the time is up.
        """
        gas = await asyncio.gather(*(self._gas(call) for call in calls))
        fees = await self._fees()
        await self._check_money(sum(gas), fees)
        hashes = [await self._send(nonce + i, call, gas[i], fees) for i, call in enumerate(calls)]
        await self._wait(nonce, calls, hashes, mined)

    async def _gas(self, call: Call) -> int:
        fields: TxParams = {"from": _checksum(self.address), "data": HexBytes(call.data), "value": 0}  # type: ignore[typeddict-item]
        if call.to is not None:
            fields["to"] = _checksum(call.to)
        try:
            async with self._reads:
                needed = int(await self._eth.estimate_gas(fields))
        except (ContractLogicError, Web3RPCError) as error:
            raise DeploymentFailed(f"{call.what}: {_reason(error)}") from error
        return max(needed, min(needed * 5 // 4, TRANSACTION_GAS))

    async def _fees(self) -> dict[str, int]:
        """The fields of a transaction that say what its gas may cost; without EIP-1559 the gas price."""
        base_fee = (await self._eth.get_block("latest")).get("baseFeePerGas")
        if base_fee is None:
            return {"gasPrice": int(await self._eth.gas_price)}
        tip = int(await self._eth.max_priority_fee)
        return {"type": 2, "maxFeePerGas": 2 * int(base_fee) + tip, "maxPriorityFeePerGas": tip}

    async def _check_money(self, gas: int, fees: dict[str, int]) -> None:
        needed = gas * (fees.get("maxFeePerGas") or fees.get("gasPrice") or 0)
        held = int(await self._eth.get_balance(_checksum(self.address)))
        if held < needed:
            raise DeploymentFailed(
                f"{checksum(self.address)} has {held} wei, and the next transactions may cost {needed}: send it some"
            )

    async def _send(self, nonce: int, call: Call, gas: int, fees: dict[str, int]) -> HexBytes | None:
        fields = {"chainId": self._chain_id, "nonce": nonce, "gas": gas, "value": 0, "data": call.data, **fees}
        raw = self._signer.sign_transaction(fields if call.to is None else {**fields, "to": call.to})
        try:
            return await self._eth.send_raw_transaction(raw)
        except Web3RPCError as error:
            if not any(words in str(error).lower() for words in _HERE_ALREADY):
                raise DeploymentFailed(f"{call.what}: {error}") from error
            logger.info("already sent step=%s nonce=%d", call.what, nonce)
            return None

    async def _wait(
        self, nonce: int, calls: Sequence[Call], hashes: Sequence[HexBytes | None], mined: Callable[[Call], None]
    ) -> None:
        done = 0
        async for _ in _until(RECEIPT_TIMEOUT_S):
            count = await self._eth.get_transaction_count(_checksum(self.address), "latest")
            for call, sent in list(zip(calls, hashes, strict=True))[done : max(done, int(count) - nonce)]:
                await self._check_receipt(call, sent)
                mined(call)
                done += 1
            if done == len(calls):
                return
        raise DeploymentStuck(f"{calls[done].what}: in no block after {RECEIPT_TIMEOUT_S:.0f} s")

    async def _check_receipt(self, call: Call, sent: HexBytes | None) -> None:
        if sent is None:
            return
        try:
            receipt = await self._eth.get_transaction_receipt(sent)
        except TransactionNotFound:
            return  # an earlier run's transaction took the nonce
        if receipt["status"] != 1:
            raise DeploymentFailed(f"{call.what}: reverted in block {receipt['blockNumber']}")
        logger.info("deployed step=%s block=%d gas=%d", call.what, receipt["blockNumber"], receipt["gasUsed"])


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


def _block(number: int) -> Any:
    return number


def _reason(error: Exception) -> str:
    data = getattr(error, "data", None)
    if isinstance(data, str) and data.startswith("0x"):
        return str(decode_revert(bytes.fromhex(data[2:])))
    return str(error)
