"""What the auditor asks the chain itself, past the mirror: vault accounts as of one block."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.abi import decode_result, encode_call
from node.outbox import Rpc, RpcError


@dataclass(frozen=True, slots=True)
class VaultAccount:
    """``SettlementExchange.accountOf``: cash units, Wh and the order nonce floor."""

    cash: int
    energy_wh: int
    min_nonce: int


@dataclass(frozen=True, slots=True)
class VaultMandate:
    """``SettlementExchange.mandateOf``: what is left of the budget, in cash units, and until when."""

    budget_per_slot: int
    budget: int
    expiry: int


@dataclass(frozen=True, slots=True)
class VaultAccountLane:
    """``SettlementExchange.accountLaneOf``: the last slot (Unix seconds), its side, and Wh filled in it."""

    last_slot: int
    side: int
    filled_wh: int


@dataclass(frozen=True, slots=True)
class VaultLane:
    """``SettlementExchange.laneOf``: nonce of the live order, and Wh filled of it; of a lane above 0."""

    nonce: int
    filled_wh: int


class ChainReads(Protocol):
    """Reads of the chain at a block that is named by its hash."""

    async def accounts_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccount]:
        """The vault accounts in the given order. Raises RpcUnavailable, or RpcError when the block is not there."""
        ...

    async def mandates_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultMandate]:
        """The accounts' mandates in the given order. Raises as ``accounts_of``."""
        ...

    async def clearances_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[int]:
        """Until when each account may trade, in Unix seconds; 0 while frozen. Raises as ``accounts_of``."""
        ...

    async def account_lanes_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccountLane]:
        """The accounts' own lanes in the given order. Raises as ``accounts_of``."""
        ...

    async def lanes_of(self, lanes: Sequence[tuple[bytes, int]], block_hash: bytes) -> list[VaultLane]:
        """The lanes, named by account and number, in the given order. Raises as ``accounts_of``."""
        ...


class ChainReader:
    """Asks a chain's nodes; time limits and failover are the transport's."""

    def __init__(self, rpc: Rpc, exchange: bytes) -> None:
        self._rpc = rpc
        self._exchange = exchange

    async def accounts_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccount]:
        """As the port says."""
        return [VaultAccount(*answer) for answer in await self._ask("accountOf", _each(accounts), block_hash)]

    async def mandates_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultMandate]:
        """As the port says."""
        return [VaultMandate(*answer[:3]) for answer in await self._ask("mandateOf", _each(accounts), block_hash)]

    async def clearances_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[int]:
        """As the port says."""
        return [answer[0] for answer in await self._ask("clearanceOf", _each(accounts), block_hash)]

    async def account_lanes_of(self, accounts: Sequence[bytes], block_hash: bytes) -> list[VaultAccountLane]:
        """As the port says."""
        return [VaultAccountLane(*answer) for answer in await self._ask("accountLaneOf", _each(accounts), block_hash)]

    async def lanes_of(self, lanes: Sequence[tuple[bytes, int]], block_hash: bytes) -> list[VaultLane]:
        """As the port says."""
        return [VaultLane(*answer) for answer in await self._ask("laneOf", lanes, block_hash)]

    async def _ask(
        self, function: str, arguments: Iterable[tuple[Any, ...]], block_hash: bytes
    ) -> list[tuple[int, ...]]:
        """As of exactly this block (EIP-1898), so that a reorganisation cannot mix two states."""
        block = {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}
        to = "0x" + self._exchange.hex()
        data = [encode_call("SettlementExchange", function, *given).hex() for given in arguments]
        answers = await self._rpc.batch([("eth_call", ({"to": to, "data": "0x" + call}, block)) for call in data])
        return [self._decoded(function, answer) for answer in answers]

    @staticmethod
    def _decoded(function: str, answer: str | RpcError) -> tuple[int, ...]:
        if isinstance(answer, RpcError):
            raise answer
        return decode_result("SettlementExchange", function, bytes.fromhex(answer.removeprefix("0x")))


def _each(accounts: Sequence[bytes]) -> list[tuple[bytes]]:
    return [(account,) for account in accounts]
