"""What surrounds every request: a trace id, a largest body, security headers."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.errors import GridtraceError

MAX_BODY_BYTES: Final = 1 << 20
MAX_FILE_BYTES: Final = 100 << 20
_FILE_PATH: Final = re.compile(r"/v1/assets/[^/]+/documents/[^/]+/[^/]+")
"""Where a body is a file, which goes to the store as it comes."""

_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SESSION: Final = re.compile(rb"(^|[;\s])(__Host-)?sid=")
_PRIVATE: Final = (b"cache-control", b"private, no-store")
_SAME_FOR_ALL: Final = "/static/"

_RAW_SECURITY_HEADERS: Final = tuple(
    (name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
)


def _trace_id(scope: Scope) -> str:
    """The caller's trace id (W3C Trace Context), or a new one."""
    for name, value in scope["headers"]:
        if name == b"traceparent" and (found := _TRACEPARENT.fullmatch(value)):
            return found[1].decode()
    return secrets.token_hex(16)


def _largest_body(scope: Scope) -> int:
    is_file = scope["method"] == "PUT" and _FILE_PATH.fullmatch(scope["path"])
    return MAX_FILE_BYTES if is_file else MAX_BODY_BYTES


def _is_personal(scope: Scope) -> bool:
    """Whether the request says who asks, so that the answer may be for nobody else."""
    if scope["path"].startswith(_SAME_FOR_ALL):
        return False
    return any(
        name == b"authorization" or (name == b"cookie" and _SESSION.search(value)) for name, value in scope["headers"]
    )


def envelope_headers(trace_id: str) -> dict[str, str]:
    """What every answer carries."""
    return {"X-Trace-Id": trace_id, **SECURITY_HEADERS}


class Envelope:
    """Gives every request a trace id and a largest body, and every answer that id and the security headers.

    An answer to somebody is kept by no cache, unless the route says otherwise.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["trace_id"] = trace_id = _trace_id(scope)

        most_bytes = _largest_body(scope)
        read_bytes = 0

        async def receive_limited() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > most_bytes:
                # Raised where the route reads its body, and answered like every other error.
                raise HTTPException(413, f"a body has at most {most_bytes} bytes")
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                headers.append((b"x-trace-id", trace_id.encode()))
                if b"cache-control" not in present and _is_personal(scope):
                    headers.append(_PRIVATE)
                headers.extend(header for header in _RAW_SECURITY_HEADERS if header[0] not in present)
            await send(message)

        await self._app(scope, receive_limited, send_with_headers)


class Busy(GridtraceError):
    """Too many are waiting for this; try again shortly."""

    code = "unavailable"
    retryable = True


class Turns:
    """For what is dear: lets a few in at a time, and refuses who would wait behind too many."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._left = at_once + waiting

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Returns when it is one's turn. Raises Busy."""
        if self._left <= 0:
            raise Busy
        self._left -= 1
        try:
            async with self._free:
                yield
        finally:
            self._left += 1
