"""Ledger answers that many ask for, told again while they still hold.

What everybody may read of the mirrored chain depends on the question, on where the index stands, and (by
``lag_seconds``) on the market's second. So an answer is kept with both and told again until either changes. Where the
index stands is read after a question has come and before it is answered, once for all who ask at the same time: nobody
is told what had ceased to hold when he asked.
"""

import asyncio
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.deps import Services
from api.etag import tell
from api.joined import Joined
from indexer import read
from indexer.db import AWAY
from indexer.read import Head

HEAD_S: Final = 1.0
"""Where that takes longer, everybody asks for himself."""
LARGEST: Final = 256 << 10
MOST_BYTES: Final = 32 << 20
PATHS: Final = re.compile(r"/v1/ledger/(blocks|events|accounts/[^/]+)")
_NAMING: Final = frozenset({b"authorization", b"cookie", b"origin"})
"""Who sends one of these may be told something else."""


@dataclass(slots=True)
class _Kept:
    """Answers that hold while the index stands at ``head`` and the market's second lasts."""

    head: Head
    second: int
    answers: dict[tuple[str, bytes], tuple[Message, Message]] = field(default_factory=dict)
    size: int = 0

    def keep(self, question: tuple[str, bytes], answer: tuple[Message, Message]) -> None:
        size = len(answer[1].get("body", b"")) + len(question[1])
        if self.size + size <= MOST_BYTES:
            self.answers[question] = answer
            self.size += size


class Recent:
    """Answers ``PATHS`` from what was answered before; other questions, and those of somebody, go on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: _Kept | None = None
        self._heads = Joined[None, Head | None]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = await self._standing(scope["app"].state.services) if _is_public(scope) else None
        if kept is None:
            await self._app(scope, receive, send)
            return
        question = scope["path"], scope["query_string"]
        answer = kept.answers.get(question)
        if answer is None:
            answer = await self._ask(scope, receive, send)
            if answer is not None:
                kept.keep(question, answer)
            return
        start, body = answer
        await tell(scope, {**start}, body, send)  # headers are added to on the way out

    async def _standing(self, services: Services) -> _Kept | None:
        """What is kept for where the index stands and the clock is; None where nobody knows."""
        head, second = await self._heads.get(None, partial(_head, services)), int(services.clock.now_s())
        if head is None:
            return None
        if self._kept is None or (self._kept.head, self._kept.second) != (head, second):
            self._kept = _Kept(head, second)
        return self._kept

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> tuple[Message, Message] | None:
        """Passes the answer on; returns it where it can be told again."""
        told: list[Message] = []

        async def send_and_note(message: Message) -> None:
            told.append({**message, "headers": list(message["headers"])} if "headers" in message else message)
            await send(message)

        await self._app(scope, receive, send_and_note)
        if len(told) != 2 or told[0]["status"] != 200 or len(told[1].get("body", b"")) > LARGEST:
            return None
        if not any(name == b"etag" for name, _ in told[0]["headers"]):
            return None
        return told[0], told[1]


async def _head(services: Services) -> Head | None:
    try:
        async with asyncio.timeout(HEAD_S), services.pool.acquire() as db:
            return await read.head(db, services.chain_id)
    except AWAY:  # the route will meet it, too, and say so
        return None


def _is_public(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and PATHS.fullmatch(scope["path"]) is not None
        and not any(name in _NAMING for name, _ in scope["headers"])
    )
