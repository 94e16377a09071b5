"""One endpoint's line: bytes out, bytes back, over HTTP or one WebSocket."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import aiohttp

from indexer.jsonrpc import Limited, Unusable
from indexer.limits import Kind, Limit

CONNECT_TIMEOUT_S: Final = 5.0
HEARTBEAT_S: Final = 15.0
_ID: Final = re.compile(rb'"id"\s*:\s*(\d+)')
_LOOKED_AT: Final = 400
"""An answer's id stands near its beginning or its end."""


class TooLarge(Exception):
    """The answer has more bytes than are taken."""


class Line(Protocol):
    """Where requests go."""

    async def ask(self, body: bytes, ids: Sequence[int], most_bytes: int) -> bytes:
        """The answer to a batch.

        Raises:
            Unusable, aiohttp.ClientError, TimeoutError, OSError: there is none.
            TooLarge: it has more than ``most_bytes``.
        """
        ...

    async def close(self) -> None: ...


def line(session: aiohttp.ClientSession, url: str, timeout_s: float) -> Line:
    """The line of an address, by its scheme."""
    return WebSocketLine(session, url, timeout_s) if url.startswith(("ws://", "wss://")) else HttpLine(session, url)


class HttpLine:
    """A request for every batch."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(self, body: bytes, ids: Sequence[int], most_bytes: int) -> bytes:
        async with self._session.post(self._url, data=body, allow_redirects=False) as response:
            content = await _body(response, most_bytes)
            if response.status == 429:
                limit = Limit(Kind.RATE, retry_s=_retry_after_s(response))
                raise Limited(f"HTTP 429: {content[:200]!r}", limit)
            # Many put a JSON-RPC error under another status: it says more than the status does.
            if response.status != 200 and not (response.status < 500 and content.lstrip()[:1] in (b"{", b"[")):
                raise Unusable(f"HTTP {response.status}: {content[:200]!r}")
        return content

    async def close(self) -> None:
        pass


async def _body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """The answer, cut off once it is too large."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            response.close()
            raise TooLarge
    return b"".join(parts)


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


class WebSocketLine:
    """All batches over one connection, opened when first needed and again when lost."""

    def __init__(self, session: aiohttp.ClientSession, url: str, timeout_s: float) -> None:
        self._session = session
        self._url = url
        self._timeout_s = timeout_s
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._opening = asyncio.Lock()

    async def ask(self, body: bytes, ids: Sequence[int], most_bytes: int) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(self._timeout_s):
            socket = await self._connected(most_bytes)
            self._waiting.update(dict.fromkeys(ids, answer))
            try:
                await socket.send_str(body.decode())
                return await answer
            finally:
                for number in ids:
                    self._waiting.pop(number, None)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def _connected(self, most_bytes: int) -> aiohttp.ClientWebSocketResponse:
        async with self._opening:
            if self._socket is None or self._socket.closed:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    self._socket = await self._session.ws_connect(
                        self._url, heartbeat=HEARTBEAT_S, max_msg_size=most_bytes
                    )
                self._reader = asyncio.create_task(self._read(self._socket))
            return self._socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        error: Exception = Unusable("the WebSocket was closed")
        try:
            async for message in socket:
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    content = message.data.encode() if isinstance(message.data, str) else message.data
                    self._deliver(content)
            if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
                error = TooLarge()
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            error = Unusable(f"{type(fault).__name__}: {fault}")
        finally:
            self._socket = None
            with suppress(aiohttp.ClientError, OSError):
                await socket.close()
            for answer in set(self._waiting.values()):
                if not answer.done():
                    answer.set_exception(error)

    def _deliver(self, content: bytes) -> None:
        numbers = _ID.findall(content[:_LOOKED_AT]) + _ID.findall(content[-_LOOKED_AT:])
        answer = next((self._waiting[int(n)] for n in numbers if int(n) in self._waiting), None)
        if answer is None and not numbers:
            # An error without an id: of what was asked first.
            answer = next(iter(self._waiting.values()), None)
        if answer is not None and not answer.done():
            answer.set_result(content)
