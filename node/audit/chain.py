"""What the auditor asks the chain itself, past the mirror: vault accounts as of one block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.abi import decode_result, encode_call
from node.outbox import Rpc, RpcError


@dataclass(frozen=True, slots=True)
class VaultAccount:
    """``SettlementExchange.accountOf``: cash units, Wh and the order nonce floor."""

    cash: int
    energy_wh: int
    min_nonce: int


class ChainReads(Protocol):
    """Reads of the chain at a block that is named by its hash."""

    async def accounts_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccount]:
        """The vault accounts in the given order. Raises RpcUnavailable, or RpcError when the block is not there."""
        ...


class ChainReader:
    """Asks a chain's nodes; time limits and failover are the transport's."""

    def __init__(self, rpc: Rpc, exchange: bytes) -> None:
        self._rpc = rpc
        self._exchange = exchange

    async def accounts_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccount]:
        """As of exactly this block (EIP-1898), so that a reorganisation cannot mix two states."""
        block = {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}
        calls = [
            ("eth_call", ({"to": "0x" + self._exchange.hex(), "data": self._account_of(account)}, block))
            for account in accounts
        ]
        return [self._account(answer) for answer in await self._rpc.batch(calls)]

    @staticmethod
    def _account_of(account: bytes) -> str:
        return "0x" + encode_call("SettlementExchange", "accountOf", account).hex()

    @staticmethod
    def _account(answer: str | RpcError) -> VaultAccount:
        if isinstance(answer, RpcError):
            raise answer
        cash, energy_wh, min_nonce = decode_result(
            "SettlementExchange", "accountOf", bytes.fromhex(answer.removeprefix("0x"))
        )
        return VaultAccount(cash, energy_wh, min_nonce)
