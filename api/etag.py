"""ETags (RFC 9110) on every read, so that who asks again is only told what has changed."""

import hashlib
import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST: Final = 1 << 20
"""Bytes; a longer answer, or one that comes in parts, goes on as it is."""
KEPT: Final = frozenset({"cache-control", "etag", "vary", "ratelimit", "ratelimit-policy", "x-trace-id"})
_PASSING: Final = re.compile(rb'"lag_seconds":\d+')


def tag_of(body: bytes) -> str:
    """Strong where it is of every byte; weak where the age of an answer, which grows by itself, is left out."""
    lasting, passing = _PASSING.subn(b"", body)
    return f'{"W/" if passing else ""}"{hashlib.blake2b(lasting, digest_size=16).hexdigest()}"'


def matches(wanted: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names the tag; weak and strong are compared alike (RFC 9110, 13.1.2)."""
    opaque = tag.removeprefix("W/")
    return wanted.strip() == "*" or opaque in (part.strip().removeprefix("W/") for part in wanted.split(","))


class Tagged:
    """Names what reads of ``/v1/`` answer, and answers 304 to who has it already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_document(message):
                start = message  # waits for the body that it names
                return
            if start is not None:
                begun, start = start, None
                whole = message["type"] == "http.response.body" and not message.get("more_body")
                if whole and len(message.get("body", b"")) <= LARGEST:
                    await _answer(scope, begun, message, send)
                    return
                await send(begun)
            await send(message)

        await self._app(scope, receive, send_tagged)


def _is_document(start: Message) -> bool:
    headers = Headers(raw=list(start.get("headers", ())))
    kind = headers.get("content-type", "")
    return bool(start["status"] == 200) and kind == "application/json" and "etag" not in headers


async def _answer(scope: Scope, start: Message, body: Message, send: Send) -> None:
    tag = tag_of(body.get("body", b"")).encode()
    await tell(scope, {**start, "headers": [*start["headers"], (b"etag", tag)]}, body, send)


async def tell(scope: Scope, start: Message, body: Message, send: Send) -> None:
    """Sends a whole answer that has an ETag, or 304 to who has it already."""
    wanted = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
    tag = next(value for name, value in start["headers"] if name == b"etag")
    if wanted is None or not matches(wanted.decode("latin-1"), tag.decode()):
        await send(start)
        await send(body)
        return
    kept = [(name, value) for name, value in start["headers"] if name.decode("latin-1") in KEPT]
    await send({**start, "status": 304, "headers": kept})
    await send({"type": "http.response.body", "body": b""})
