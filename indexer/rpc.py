"""The endpoints of one chain as one: batches, time limits, retries, failover, and bad endpoints put aside."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final, TypeVar

import aiohttp

from indexer import jsonrpc
from indexer.endpoints import SERIOUS_ASIDE_S, Endpoint, Nobody, Watcher, names
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable, WrongChain
from indexer.jsonrpc import Call, Limited, Result, Unusable, decode
from indexer.limits import Kind
from indexer.transport import TooLarge, line

__all__ = ["Call", "Node", "Result", "Rpc", "decode", "http_url", "open_rpc", "ws_url"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
ATTEMPTS: Final = 4
FIRST_DELAY_S: Final = 0.1
MAX_ANSWER_BYTES: Final = 64_000_000
PROBE_S: Final = 15.0
"""Several endpoints are compared this often."""
STALE_BLOCKS: Final = 5
"""An endpoint further behind the freshest one is put aside."""


class Node:
    """One endpoint for a piece of work: everything that must fit together is asked of the same one."""

    def __init__(self, rpc: "Rpc", endpoint: Endpoint) -> None:
        self._rpc = rpc
        self.endpoint = endpoint
        self.answer_bytes = 0
        """Size of the last answer, for adapting request ranges."""

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        """Several requests in one round trip, or in as many as the endpoint wants; a refusal stands in its place.

        Raises:
            Unusable, WrongChain, aiohttp.ClientError, TimeoutError, OSError: the endpoint does not answer.
        """
        found: list[Result] = []
        size = 0
        while len(found) < len(calls):
            most = self.endpoint.most_calls or len(calls)
            found += await self._rpc.ask(self, calls[len(found) : len(found) + most])
            size += self.answer_bytes
        self.answer_bytes = size
        return found


class Rpc:
    """The endpoints of one chain, the preferred one first. Open with ``open_rpc``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: Sequence[str],
        chain_id: int,
        *,
        timeout_s: float = TIMEOUT_S,
        watch: Watcher | None = None,
    ) -> None:
        self.session = session
        self.chain_id = chain_id
        self.faults = 0
        """Endpoint faults met so far."""
        self.endpoints = [
            Endpoint(name, line(session, url, timeout_s), place)
            for place, (name, url) in enumerate(zip(names(urls), urls, strict=True))
        ]
        self._watch = watch or Nobody()
        self._current = self.endpoints[0]
        self._ids = count(1)
        for endpoint in self.endpoints:
            self._watch.endpoint(endpoint.name)

    async def call(self, method: str, *params: Any, type: type[T] | Any = Any) -> T | Any:
        """One request.

        Raises:
            RpcRefused: the endpoint answered with an error.
            RpcUnavailable: no endpoint answered in any attempt.
            WrongChain: the endpoints serve another chain, and never served the right one.
        """
        (result,) = await self.batch([Call(method, params)])
        return decode(result, type)

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        """Several requests in one round trip; the results are in the order of the calls.

        Raises:
            RpcUnavailable, WrongChain: as ``call``; a refusal is handed back in its place instead.
        """
        return await self.through(lambda node: node.batch(calls))

    async def through(self, work: Callable[[Node], Awaitable[T]]) -> T:
        """Does a piece of work at one endpoint; if that one fails or contradicts itself, at another.

        Raises:
            RpcUnavailable, WrongChain: as ``call``.
            Disagreement: of the last endpoint, if all contradict themselves.
        """
        last: Exception | None = None
        doubted: set[str] = set()
        for attempt in range(ATTEMPTS * len(self.endpoints)):
            endpoint = self._choose(doubted)
            try:
                return await work(Node(self, endpoint))
            except (Unusable, WrongChain, aiohttp.ClientError, TimeoutError, OSError) as error:
                last = error
                await self._fail_over(endpoint, attempt, error)
            except Disagreement as error:
                last = error
                doubted.add(endpoint.name)
                self._doubt(endpoint, error)
                if len(doubted) == len(self.endpoints):
                    raise
        if isinstance(last, Disagreement):
            raise last
        if isinstance(last, WrongChain) and not any(endpoint.is_proven for endpoint in self.endpoints):
            raise last
        raise RpcUnavailable(f"no RPC endpoint answers: {_describe(last)}")

    def others(self) -> bool:
        """Whether there is more than one endpoint."""
        return len(self.endpoints) > 1

    async def ask(self, node: Node, calls: Sequence[Call]) -> list[Result]:
        """One round trip to an endpoint. The chain is asked for in each: what is behind an address may change."""
        endpoint = node.endpoint
        asked = [*calls, Call("eth_chainId")]
        single = endpoint.most_calls == 1
        async with endpoint.slot(is_patient=not self.others()):
            try:
                if single:
                    answered = [await self._ask(node, [call], single=True) for call in asked]
                    *results, chain = [result for (result,) in answered]
                else:
                    *results, chain = await self._ask(node, asked)
            except Limited as error:
                endpoint.slow_down(error.limit)
                self._watch.endpoint_fault(endpoint.name, "limit")
                if error.limit.kind is not Kind.BATCH:
                    raise
                endpoint.most_calls = max(1, min(endpoint.most_calls or len(asked), len(asked) // 2))
                logger.info("batches halved endpoint=%s calls=%d reason=%s", endpoint.name, endpoint.most_calls, error)
            else:
                self._check_chain(endpoint, chain)
                endpoint.served()
                return results
        return await node.batch(calls)

    async def _ask(self, node: Node, calls: Sequence[Call], *, single: bool = False) -> list[Result]:
        ids = [next(self._ids) for _ in calls]
        body = jsonrpc.encode(calls, ids, single=single)
        try:
            content = await node.endpoint.line.ask(body, ids, MAX_ANSWER_BYTES)
        except TooLarge:
            self._watch.endpoint_fault(node.endpoint.name, "limit")
            node.answer_bytes = MAX_ANSWER_BYTES
            return jsonrpc.too_large(calls, MAX_ANSWER_BYTES)
        node.answer_bytes = len(content)
        return jsonrpc.results(calls, ids, content)

    def _check_chain(self, endpoint: Endpoint, result: Result) -> None:
        if isinstance(result, RpcRefused):
            return
        try:
            found = int(decode(result, str), 16)
        except ValueError as error:
            raise Disagreement(f"eth_chainId: {error}") from error
        if found != self.chain_id:
            raise WrongChain(f"the RPC endpoint {endpoint.name} serves chain {found}, not {self.chain_id}")
        endpoint.is_proven = True

    def _choose(self, doubted: set[str]) -> Endpoint:
        """The best endpoint that may be asked; if none may, the one whose time comes first."""
        if len(self.endpoints) == 1:
            return self._current
        now_s = time.monotonic()
        trusted = [endpoint for endpoint in self.endpoints if endpoint.name not in doubted]
        free = [endpoint for endpoint in trusted if not endpoint.is_aside(now_s)]
        chosen = min(free, key=Endpoint.score) if free else min(trusted, key=lambda one: one.aside_until_s)
        if chosen is not self._current:
            logger.info("endpoint changed from=%s to=%s", self._current.name, chosen.name)
            self._current = chosen
        self._watch.endpoint_used(chosen.name, used=True)
        return chosen

    async def _fail_over(self, endpoint: Endpoint, attempt: int, error: Exception) -> None:
        self.faults += 1
        endpoint.failed()
        kind = "wrong-chain" if isinstance(error, WrongChain) else "transport"
        if not isinstance(error, Limited):
            self._watch.endpoint_fault(endpoint.name, kind)
        self._put_aside(endpoint, _describe(error), is_serious=kind == "wrong-chain")
        delay_s = FIRST_DELAY_S * 2 ** (attempt // len(self.endpoints))
        logger.info(
            "rpc fault endpoint=%s attempt=%d retry_in_s=%.1f error=%s",
            endpoint.name, attempt + 1, delay_s, _describe(error),
        )  # fmt: skip
        await asyncio.sleep(delay_s)

    def _doubt(self, endpoint: Endpoint, error: Disagreement) -> None:
        self.faults += 1
        endpoint.failed()
        self._watch.endpoint_fault(endpoint.name, "disagreement")
        self._put_aside(endpoint, str(error), is_serious=True)

    def _put_aside(self, endpoint: Endpoint, reason: str, *, is_serious: bool) -> None:
        """An endpoint that is the only one is asked all the same."""
        if not self.others():
            return
        span_s = endpoint.put_aside(reason, least_s=SERIOUS_ASIDE_S if is_serious else 1.0)
        self._watch.endpoint_used(endpoint.name, used=False)
        level = logging.WARNING if is_serious else logging.INFO
        logger.log(level, "endpoint put aside endpoint=%s for_s=%.0f reason=%.300s", endpoint.name, span_s, reason)

    async def keep_comparing(self) -> None:
        """Asks all endpoints now and then, until cancelled: who is stale or away is put aside."""
        while True:
            await asyncio.sleep(PROBE_S)
            await self.compare()

    async def compare(self) -> None:
        """One light request to every endpoint that is not put aside."""
        now_s = time.monotonic()
        asked = [endpoint for endpoint in self.endpoints if not endpoint.is_aside(now_s)]
        await asyncio.gather(*(self._probe(endpoint) for endpoint in asked))
        best = max((endpoint.head or 0 for endpoint in asked), default=0)
        for endpoint in asked:
            if endpoint.head is not None and best - endpoint.head > STALE_BLOCKS:
                self._watch.endpoint_fault(endpoint.name, "stale")
                behind = f"stale: its head is {endpoint.head}, another's is {best}"
                self._put_aside(endpoint, behind, is_serious=True)
            elif not endpoint.is_aside(time.monotonic()):
                self._watch.endpoint_used(endpoint.name, used=True)

    async def _probe(self, endpoint: Endpoint) -> None:
        start_s = time.monotonic()
        endpoint.head = None
        try:
            (head,) = await Node(self, endpoint).batch([Call("eth_blockNumber")])
            endpoint.timed(time.monotonic() - start_s)
            endpoint.head = int(decode(head, str), 16)
        except (Unusable, WrongChain, aiohttp.ClientError, TimeoutError, OSError) as error:
            endpoint.failed()
            serious = isinstance(error, WrongChain)
            self._watch.endpoint_fault(endpoint.name, "wrong-chain" if serious else "transport")
            self._put_aside(endpoint, _describe(error), is_serious=serious)
        except (Disagreement, RpcRefused, ValueError) as error:
            self._doubt(endpoint, Disagreement(f"eth_blockNumber: {error}"))


@asynccontextmanager
async def open_rpc(
    urls: Sequence[str], chain_id: int, *, timeout_s: float = TIMEOUT_S, watch: Watcher | None = None
) -> AsyncIterator[Rpc]:
    """A client for the life of a process."""
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=5),
        headers={"Content-Type": "application/json"},
        connector=aiohttp.TCPConnector(limit=0),
    )
    async with session:
        rpc = Rpc(session, urls, chain_id, timeout_s=timeout_s, watch=watch)
        comparing = asyncio.create_task(rpc.keep_comparing()) if rpc.others() else None
        try:
            yield rpc
        finally:
            if comparing is not None:
                comparing.cancel()
                with suppress(asyncio.CancelledError):
                    await comparing
            for endpoint in rpc.endpoints:
                await endpoint.line.close()


def http_url(url: str) -> str:
    """The HTTP twin of a WebSocket endpoint."""
    return url.replace("ws://", "http://", 1).replace("wss://", "https://", 1)


def ws_url(url: str) -> str:
    """The WebSocket twin of an HTTP endpoint."""
    return url.replace("http://", "ws://", 1).replace("https://", "wss://", 1)


def _describe(error: Exception | None) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
