"""Calls of contracts at blocks of the past: each asked once, many in one request, final ones kept on disk."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from indexer import multicall
from indexer.block import unhex
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable
from indexer.follower import BlockGone
from indexer.rpc import Call, Result, decode

if TYPE_CHECKING:
    from indexer.call_cache import CallCache

logger = logging.getLogger(__name__)

AT_ONCE: Final = 100
"""Calls in one request."""
WORTHWHILE: Final = 3
"""So many calls at one block go through Multicall3."""
OK: Final = "ok"
REVERTED: Final = "reverted"
NO_STATE: Final = "no-state"
"""The node has pruned the block's state."""
EXECUTION_ERROR: Final = 3
FAILURES: Final = (
    "revert", "invalid opcode", "invalid jump", "out of gas", "stack underflow", "stack limit", "bad instruction",
    "vm exception", "vm execution error", "opcode", "write protection",
)  # fmt: skip
"""Words by which nodes say that the contract failed, not they."""
NOBODY: Final = "0x" + "00" * 20


class Transport(Protocol):
    """What is needed of the JSON-RPC client."""

    async def batch(self, calls: Sequence[Call]) -> list[Result]: ...


class NoState(RpcUnavailable):
    """The node has pruned the state of a block at which a contract is read: an archive node has it."""

    code = "state-pruned"


@dataclass(frozen=True, slots=True)
class Request:
    """One call at the end of one block."""

    block_number: int
    block_hash: bytes
    to: bytes
    calldata: bytes

    @property
    def pin(self) -> dict[str, Any]:
        """Source: EIP-1898."""
        return _pin(self.block_hash)

    @property
    def call(self) -> Call:
        return _call(self.to, self.calldata, self.block_hash)

    def key(self, chain_id: int) -> bytes:
        whole = chain_id.to_bytes(8, "big") + self.block_hash + self.to + self.calldata
        return hashlib.blake2b(whole, digest_size=24).digest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to."""

    status: str
    """``ok``, ``reverted`` or ``no-state``."""
    data: bytes = b""


class Caller:
    """Asks one chain."""

    def __init__(self, rpc: Transport, chain_id: int, cache: "CallCache | None" = None) -> None:
        self._rpc = rpc
        self._chain_id = chain_id
        self._cache = cache
        self._aggregates: dict[bytes, bool] = {}
        self._told = False

    async def ask(self, requests: Sequence[Request], finalized: int) -> list[Outcome]:
        """The outcomes, in order.

        Args:
            finalized: what was returned at blocks up to here may be kept.

        Raises:
            BlockGone: the chain has not that block any more.
            Disagreement, RpcRefused, RpcUnavailable: there is no answer; a later try may have one.
        """
        wanted = dict.fromkeys(requests)
        found = await self._kept(list(wanted))
        missing = [request for request in wanted if request not in found]
        asked: dict[Request, Outcome] = {}
        for at in range(0, len(missing), AT_ONCE):
            asked |= await self._asked(missing[at : at + AT_ONCE])
        if self._cache is not None:
            final = {
                r.key(self._chain_id): (o.status, o.data) for r, o in asked.items() if _is_lasting(r, o, finalized)
            }
            await self._cache.keep(final)
        found |= asked
        return [found[request] for request in requests]

    async def _kept(self, requests: Sequence[Request]) -> dict[Request, Outcome]:
        if self._cache is None or not requests:
            return {}
        keys = {request.key(self._chain_id): request for request in requests}
        return {keys[key]: Outcome(*answer) for key, answer in (await self._cache.find(list(keys))).items()}

    async def _asked(self, requests: Sequence[Request]) -> dict[Request, Outcome]:
        by_block: dict[bytes, list[Request]] = defaultdict(list)
        for request in requests:
            by_block[request.block_hash].append(request)
        many = [group for group in by_block.values() if len(group) >= WORTHWHILE]
        found = await self._aggregated([group for group in many if await self._can_aggregate(group[0])])
        single = [request for request in requests if request not in found]
        answers = await self._rpc.batch([request.call for request in single]) if single else []
        refused: dict[Request, RpcRefused] = {}
        for request, answer in zip(single, answers, strict=True):
            if isinstance(answer, RpcRefused):
                refused[request] = answer
            else:
                found[request] = Outcome(OK, _data(answer))
        return found | await self._explained(refused)

    async def _can_aggregate(self, request: Request) -> bool:
        known = self._aggregates.get(request.block_hash)
        if known is None:
            address = "0x" + multicall.ADDRESS.hex()
            (answer,) = await self._rpc.batch([Call("eth_getCode", (address, request.pin))])
            known = not isinstance(answer, RpcRefused) and bool(_data(answer))
            if len(self._aggregates) > AT_ONCE:
                self._aggregates.clear()
            self._aggregates[request.block_hash] = known
        return known

    async def _aggregated(self, groups: Sequence[Sequence[Request]]) -> dict[Request, Outcome]:
        """What one call for each block brings; those that are refused as a whole are left to be asked singly."""
        if not groups:
            return {}
        calls = [
            _call(multicall.ADDRESS, multicall.calldata([(r.to, r.calldata) for r in group]), group[0].block_hash)
            for group in groups
        ]
        found: dict[Request, Outcome] = {}
        for group, answer in zip(groups, await self._rpc.batch(calls), strict=True):
            results = None if isinstance(answer, RpcRefused) else multicall.results(_data(answer), len(group))
            for request, (succeeded, data) in zip(group, results or (), strict=results is not None):
                # What failed may have failed for want of gas among so many: it is asked again by itself.
                if succeeded:
                    found[request] = Outcome(OK, data)
        return found

    async def _explained(self, refused: Mapping[Request, RpcRefused]) -> dict[Request, Outcome]:
        """Why calls were refused: the node has no such state, or the contract reverts."""
        if not refused:
            return {}
        hashes = list(dict.fromkeys(request.block_hash for request in refused))
        states = await self._rpc.batch([Call("eth_getBalance", (NOBODY, _pin(one))) for one in hashes])
        without = {one for one, state in zip(hashes, states, strict=True) if isinstance(state, RpcRefused)}
        if without:
            heads = await self._rpc.batch([Call("eth_getBlockByHash", ("0x" + one.hex(), False)) for one in without])
            if any(decode(head, Any) is None for head in heads):
                raise BlockGone
            if not self._told:
                number = next(request.block_number for request in refused if request.block_hash in without)
                logger.warning("the node has no state of block=%d: contracts cannot be read there", number)
            self._told = True
        for request, refusal in refused.items():
            if request.block_hash not in without and not _is_revert(refusal):
                raise refusal  # a time-out, a limit: no answer of the contract's
        return {one: Outcome(NO_STATE if one.block_hash in without else REVERTED) for one in refused}

    async def has_state(self, block_hash: bytes) -> bool:
        """Whether contracts can be read at a block."""
        (answer,) = await self._rpc.batch([Call("eth_getBalance", (NOBODY, _pin(block_hash)))])
        return not isinstance(answer, RpcRefused)


def _is_revert(refusal: RpcRefused) -> bool:
    told = refusal.rpc_message.lower()
    return refusal.rpc_code == EXECUTION_ERROR or any(word in told for word in FAILURES)


def _is_lasting(request: Request, outcome: Outcome, finalized: int) -> bool:
    return request.block_number <= finalized and outcome.status != NO_STATE


def _call(to: bytes, data: bytes, block_hash: bytes) -> Call:
    return Call("eth_call", ({"to": "0x" + to.hex(), "data": "0x" + data.hex()}, _pin(block_hash)))


def _pin(block_hash: bytes) -> dict[str, Any]:
    return {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}


def _data(answer: Result) -> bytes:
    try:
        return unhex(decode(answer, str))
    except ValueError as error:
        raise Disagreement(f"a call returned what is not hexadecimal: {error}") from error
