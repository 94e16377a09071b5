"""JSON-RPC over HTTP: batches, time limits, retries with backoff, failover over several endpoints."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeAlias, TypeVar

import aiohttp
import msgspec

from indexer.errors import Disagreement, RpcRefused, RpcUnavailable, WrongChain

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_S: Final = 20.0
ATTEMPTS: Final = 4
FIRST_DELAY_S: Final = 0.1
MAX_ANSWER_BYTES: Final = 64_000_000
TOO_LARGE: Final = -32_000
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Codes that mean "later", in use by the large providers and EIP-1474.
BUSY_CODES: Final = frozenset({-32005, -32097, 429})


class Fault(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: Any = None


class Answer(msgspec.Struct, frozen=True):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Fault | None = None


class Refusal(Answer, frozen=True, kw_only=True):
    """The one answer to a batch that the endpoint did not take."""

    id: None = None
    error: Fault


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a method and its parameters."""

    method: str
    params: tuple[Any, ...] = ()


Result: TypeAlias = msgspec.Raw | RpcRefused
"""The raw JSON of one result, or the endpoint's refusal."""

_answers = msgspec.json.Decoder(list[Answer])
_refusal = msgspec.json.Decoder(Refusal)
_encoder = msgspec.json.Encoder()


class _TransportFault(Exception):
    """An endpoint did not give a usable answer; the next one may."""


class Rpc:
    """The endpoints of one chain, the preferred one first. Open with ``open_rpc``."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], chain_id: int) -> None:
        self.session = session
        self.urls = tuple(http_url(url) for url in urls)
        self.chain_id = chain_id
        self.answer_bytes = 0
        """Size of the last answer, for adapting request ranges."""
        self.faults = 0
        """Endpoint faults met so far."""
        self._at = 0
        self._is_proven = False
        self._ids = count(1)

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
        last: Exception | None = None
        for attempt in range(ATTEMPTS * len(self.urls)):
            url = self.urls[self._at]
            try:
                return await self._checked(url, calls)
            except (_TransportFault, WrongChain, aiohttp.ClientError, TimeoutError, OSError) as error:
                last = error
                await self._fail_over(url, attempt, error)
        if isinstance(last, WrongChain) and not self._is_proven:
            raise last
        raise RpcUnavailable(f"no RPC endpoint answers: {_describe(last)}")

    async def _fail_over(self, url: str, attempt: int, error: Exception) -> None:
        self.faults += 1
        self._at = (self.urls.index(url) + 1) % len(self.urls)
        delay_s = FIRST_DELAY_S * 2 ** (attempt // len(self.urls))
        logger.info("rpc fault attempt=%d retry_in_s=%.1f error=%s", attempt + 1, delay_s, _describe(error))
        await asyncio.sleep(delay_s)

    async def _checked(self, url: str, calls: Sequence[Call]) -> list[Result]:
        """Asks for the chain in every batch: what is behind an address may change at any time."""
        *results, chain = await self._post(url, [*calls, Call("eth_chainId")])
        if not isinstance(chain, RpcRefused):
            if (found := _chain_id(chain)) != self.chain_id:
                raise WrongChain(f"the RPC endpoint serves chain {found}, not {self.chain_id}")
            self._is_proven = True
        return results

    async def _post(self, url: str, calls: Sequence[Call]) -> list[Result]:
        ids = [next(self._ids) for _ in calls]
        body = _encoder.encode(
            [
                {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
                for number, call in zip(ids, calls, strict=True)
            ]
        )
        async with self.session.post(url, data=body) as response:
            content = await _body(response)
            if response.status != 200:
                raise _TransportFault(f"HTTP {response.status}: {content[:200]!r}")
        self.answer_bytes = len(content)
        if len(content) > MAX_ANSWER_BYTES:
            # As if the endpoint had refused: who asked for a range will ask for less.
            return [
                RpcRefused(call.method, TOO_LARGE, f"the answer has over {MAX_ANSWER_BYTES} bytes") for call in calls
            ]
        return _sort(calls, ids, content)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The answer, cut off once it is too large."""
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            response.close()
            break
    return bytes(content)


def _chain_id(result: msgspec.Raw) -> int:
    try:
        return int(decode(result, str), 16)
    except ValueError as error:
        raise Disagreement(f"eth_chainId: {error}") from error


def _sort(calls: Sequence[Call], ids: list[int], content: bytes) -> list[Result]:
    answers = {answer.id: answer for answer in _parse(content)}
    if busy := next((a.error for a in answers.values() if a.error and a.error.code in BUSY_CODES), None):
        raise _TransportFault(f"busy: {busy.message} (code {busy.code})")
    if whole := answers.get(None):
        # One error for all: the endpoint takes no batch, or none of this size.
        return [_result(call, whole) for call in calls]
    if missing := [number for number in ids if number not in answers]:
        raise _TransportFault(f"{len(missing)} of {len(ids)} answers are missing")
    return [_result(call, answers[number]) for call, number in zip(calls, ids, strict=True)]


def _parse(content: bytes) -> list[Answer]:
    try:
        return _answers.decode(content) if content.lstrip()[:1] == b"[" else [_refusal.decode(content)]
    except UNREADABLE as error:
        raise _TransportFault(f"not a JSON-RPC answer ({error}): {content[:200]!r}") from error


def _result(call: Call, answer: Answer) -> Result:
    if answer.error is None:
        return answer.result
    return RpcRefused(call.method, answer.error.code, answer.error.message, answer.error.data)


def decode(result: Result, type: type[T] | Any) -> T | Any:
    """The typed value of a result.

    Raises:
        RpcRefused: the result is a refusal.
        Disagreement: the result is of another type.
    """
    if isinstance(result, RpcRefused):
        raise result
    try:
        return msgspec.json.decode(result, type=type)
    except UNREADABLE as error:
        raise Disagreement(f"unexpected RPC answer: {error}") from error


@asynccontextmanager
async def open_rpc(urls: Sequence[str], chain_id: int, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Rpc]:
    """A client for the life of a process."""
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=5),
        headers={"Content-Type": "application/json"},
    )
    async with session:
        yield Rpc(session, urls, chain_id)


def http_url(url: str) -> str:
    """The HTTP twin of a WebSocket endpoint."""
    return url.replace("ws://", "http://", 1).replace("wss://", "https://", 1)


def ws_url(url: str) -> str:
    """The WebSocket twin of an HTTP endpoint."""
    return url.replace("http://", "ws://", 1).replace("https://", "wss://", 1)


def _describe(error: Exception | None) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
