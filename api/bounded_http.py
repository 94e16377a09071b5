"""HTTP as uvicorn speaks it, with bounds on what is not yet a request: nobody holds memory or a connection for nothing.

uvicorn's parser takes a request's head of any length, for any time. Bodies are bounded in ``limits``.
"""

import asyncio
import gc
import socket
from typing import Any, Final

from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 << 10
FRAMING: Final = 8
"""Bytes around each byte of a body that comes in pieces, at most."""
HEAD_S: Final = 20.0
GARBAGE_SEARCHES: Final = 10_000, 20, 100
"""Objects made until the young ones are searched for cycles, such searches until the older ones are, and until all are:
all of a thousand listeners take a quarter of a second, in which nobody is answered."""
WHOLE_S: Final = 660.0
"""The longest upload, and a minute."""


class SettledServer(Server):
    """Never looks through again what was there when it had started: modules, routes and models live as long as it does,
    and a search for garbage among them holds every request up."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_SEARCHES)


class BoundedHttp(HttpToolsProtocol):
    """Ends a connection whose request's head is too long or too late, or whose body never comes."""

    _deadline: asyncio.TimerHandle | None = None
    _is_open = False
    _received = 0
    _body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_open:
            return
        self._received += len(data)
        if self._received - self._body > MAX_HEAD_BYTES + FRAMING * self._body:
            self._is_open = False
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_open, self._received, self._body = True, 0, 0
        self._within(HEAD_S)

    def on_headers_complete(self) -> None:
        self._within(WHOLE_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_open = False
        self._within(None)
        super().on_message_complete()

    def _within(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._end)

    def _end(self) -> None:
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.close()
