"""What handlers may ask of contracts: functions at the end of a block, many in one request, final ones kept on disk."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from indexer.calls import NO_STATE, OK, NoState, Outcome, Request
from indexer.errors import Disagreement, GridtraceError
from indexer.follower import BlockGone
from indexer.functions import Function, function_of
from indexer.manifest import Manifest

MOST_REMEMBERED: Final = 20_000


class ReadFailed(GridtraceError):
    """A handler's call of a contract was refused, or cannot be made."""

    code = "read-failed"


class Asking(Protocol):
    """What answers calls: ``indexer.calls.Caller``, or a fake."""

    async def ask(self, requests: Sequence[Request], finalized: int) -> list[Outcome]: ...


class Context:
    """One handler's, for one batch of events.

    Reads that are begun before the first of them is awaited to its end (``asyncio.gather``) go out in one request.
    """

    def __init__(
        self, asking: Asking, manifest: Manifest, hashes: Mapping[int, bytes], finalized: int, block: int | None
    ) -> None:
        """
        Args:
            hashes: of the batch's blocks.
            block: at which is read where a call does not say; None where the batch has several.
        """
        self._asking = asking
        self._manifest = manifest
        self._hashes = hashes
        self._finalized = finalized
        self._block = block
        self._waiting: dict[Request, asyncio.Future[Outcome]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._known: dict[Request, Outcome] = {}

    async def read(
        self,
        contract: str,
        function: str,
        args: Sequence[Any] = (),
        *,
        at: int | None = None,
        address: bytes | None = None,
    ) -> Any:
        """What a view returns at the end of a block: its value, or a tuple of several; None where it reverts.

        Args:
            contract: a name in the manifest.
            function: name or whole signature.
            at: block number, one of the batch's; the batch's block where it has only one.
            address: which of several contracts of the name.

        Raises:
            ReadFailed: there is no such contract, function or block, or the answer is not what the ABI says.
            BadArguments: the arguments do not fit.
            NoState: the node has pruned the block's state.
        """
        view, to = self._view(contract, function, address)
        number = self._block if at is None else at
        if number is None or number not in self._hashes:
            raise ReadFailed(
                f"{contract}.{function}: say at= which of the batch's blocks"
                if number is None
                else f"block {number} is not one of the batch's"
            )
        outcome = await self._asked(Request(number, self._hashes[number], to, view.calldata(args)))
        if outcome.status == NO_STATE:
            raise NoState(f"the node has no state of block {number}, at which a handler reads {contract}.{function}")
        if outcome.status != OK:
            return None
        try:
            values = view.returned(outcome.data)
        except ValueError as error:
            raise ReadFailed(f"{contract} at block {number}: {error}") from error
        return values[0] if len(values) == 1 else values

    def _view(self, contract: str, function: str, address: bytes | None) -> tuple[Function, bytes]:
        found = self._manifest.named(contract)
        if not found:
            raise ReadFailed(f"{contract} is not in the manifest")
        if address is None and (len(found) > 1 or found[0].factory is not None):
            raise ReadFailed(f"{contract} has several addresses: say address=")
        try:
            return function_of(found[0].abi, function), address or found[0].address
        except ValueError as error:
            raise ReadFailed(f"{contract}: {error}") from error

    async def _asked(self, request: Request) -> Outcome:
        if request in self._known:
            return self._known[request]
        if request not in self._waiting:
            if not self._waiting:
                asyncio.get_running_loop().call_soon(self._send)
            self._waiting[request] = asyncio.get_running_loop().create_future()
        return await self._waiting[request]

    def _send(self) -> None:
        self._sending = asyncio.create_task(self._answered())

    async def _answered(self) -> None:
        waiting, self._waiting = self._waiting, {}
        try:
            outcomes = await self._asking.ask(list(waiting), self._finalized)
        except Exception as error:
            told = Disagreement("a block at which a handler reads is gone") if isinstance(error, BlockGone) else error
            for future in waiting.values():
                if not future.done():
                    future.set_exception(told)
            return
        if len(self._known) > MOST_REMEMBERED:
            self._known.clear()
        for (request, future), outcome in zip(waiting.items(), outcomes, strict=True):
            self._known[request] = outcome
            if not future.done():
                future.set_result(outcome)
