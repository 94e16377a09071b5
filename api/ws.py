"""Live news over WebSocket and server-sent events.

Every message is ``{"channel", "seq", "type", "data"}``. ``seq`` grows by one within a channel; a gap, or a new
``stream_id`` in the ``hello``, means: read again what you show.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.auth import Forbidden, OriginRefused, require_own_origin
from api.deps import MaybeCaller, Services, authenticated, public
from api.follow import Follower
from api.hub import CHANNELS, NOTIFICATIONS, PERSONAL, Hub, Listener, Overrun, TooManyListeners
from node.errors import Refused
from node.identity import Caller

logger = logging.getLogger(__name__)
router = APIRouter(tags=["streams"], dependencies=[Depends(public)])

PING_S: Final = 15.0
SEND_S: Final = 10.0
"""Who has not taken a message after this long is gone, or might as well be."""
SLOW_CONSUMER: Final = 4008
TRY_AGAIN_LATER: Final = 1013
BAD_REQUEST: Final = 4000
SESSION_REQUIRED: Final = 4401
RECHECK_S: Final = 1.0
PING: Final = json.dumps({"channel": "stream", "seq": 0, "type": "ping", "data": {}})
MAX_REQUEST_CHARACTERS: Final = 4_096


class UnknownChannel(Refused):
    """There is no such channel."""

    code = "unknown-channel"


class News(StreamingResponse):
    """Server-sent events; ends where the listener stops reading."""

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_S):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except (ClientDisconnect, TimeoutError):
            logger.info("listener gone or too slow client=%s", scope.get("client"))
        finally:
            await self._events.aclose()  # gives up its place at once, not when it is collected


@asynccontextmanager
async def open_hub(services: Services) -> AsyncIterator[Hub]:
    """The hub of one application, fed until the block ends."""
    hub = Hub()
    tasks = [
        asyncio.create_task(hub.feed(services), name="stream hub"),
        asyncio.create_task(Follower(hub, services).run(), name="stream follower"),
    ]
    try:
        yield hub
    finally:
        for task in tasks:
            task.cancel()
        hub.close()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def _hub_of(connection: HTTPConnection) -> Hub:
    found: Hub = connection.app.state.hub
    return found


async def _hub(connection: HTTPConnection) -> Hub:
    return _hub_of(connection)


def wanted_channels(names: list[str], user: str | None = None) -> list[str]:
    """Raises UnknownChannel for a name that is none of ours, or is for users and nobody has signed in."""
    for name in names:
        if name not in CHANNELS and (name not in (NOTIFICATIONS, *PERSONAL) or user is None):
            raise UnknownChannel(f"no channel {name!r}; there are {', '.join(CHANNELS)}")
    return names


class SessionWatch:
    """Whether who listens to what is his own still may: asked again every second."""

    def __init__(self, connection: HTTPConnection, listener: Listener) -> None:
        self._connection = connection
        self._listener = listener
        self._asked_s = time.monotonic()

    @property
    def pause_s(self) -> float:
        """How long a listener may be left without a look."""
        return PING_S if self._listener.user is None else RECHECK_S

    async def has_ended(self) -> bool:
        """Whether the session that the listener began with is over."""
        if self._listener.user is None or time.monotonic() - self._asked_s < RECHECK_S:
            return False
        self._asked_s = time.monotonic()
        try:
            caller = await authenticated(self._connection, self._connection.app.state.services)
        except Forbidden:
            return True
        return _user(caller) != self._listener.user


@router.get(
    "/v1/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Endless news"}},
)
async def stream(
    request: Request,
    hub: Annotated[Hub, Depends(_hub)],
    caller: MaybeCaller,
    channels: Annotated[str, Query(max_length=200, description="Names, separated by commas")] = ",".join(CHANNELS),
) -> News:
    """Server-sent events: each ``data`` is one message; first the newest of every channel. Who has signed in may add
    ``notifications``, ``fills``, ``balances`` and ``telemetry``."""
    user = _user(caller)
    names = wanted_channels([name for name in channels.split(",") if name], user)
    hub.require_room()
    return News(_events(hub, names, request, caller))


def _user(caller: Caller | None) -> str | None:
    return None if caller is None else str(caller.user_id)


async def _events(hub: Hub, names: list[str], request: Request, caller: Caller | None) -> AsyncGenerator[str, None]:
    with hub.listen(names, _user(caller), _account(caller)) as listener:
        watch, quiet_s = SessionWatch(request, listener), 0.0
        while not await watch.has_ended():
            try:
                async with asyncio.timeout(watch.pause_s):
                    message = await listener.next()
            except TimeoutError:
                quiet_s += watch.pause_s
                if quiet_s >= PING_S:
                    quiet_s = 0.0
                    yield ": ping\n\n"
            except Overrun:
                return
            else:
                yield f"data: {message}\n\n"


def _account(caller: Caller | None) -> bytes | None:
    return None if caller is None else caller.account


@router.websocket("/v1/ws")
async def socket(websocket: WebSocket, caller: MaybeCaller) -> None:
    """Send ``{"type": "subscribe", "channels": [...]}``; ``unsubscribe`` likewise. A ping comes every 15 s."""
    await websocket.accept()
    try:
        if caller is not None and "authorization" not in websocket.headers:
            # Another site's page may not listen with our cookie.
            require_own_origin(websocket, websocket.app.state.services.config)
    except OriginRefused as error:
        await websocket.close(SESSION_REQUIRED, str(error)[:120])
        return
    try:
        with _hub_of(websocket).listen([], _user(caller), _account(caller)) as listener:
            await _converse(websocket, listener)
    except TooManyListeners as error:
        await websocket.close(TRY_AGAIN_LATER, str(error))


async def _converse(websocket: WebSocket, listener: Listener) -> None:
    sending = asyncio.create_task(_send(websocket, listener))
    receiving = asyncio.create_task(_receive(websocket, listener))
    done, waiting = await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            await task


async def _send(websocket: WebSocket, listener: Listener) -> None:
    watch, quiet_s = SessionWatch(websocket, listener), 0.0
    while not await watch.has_ended():
        try:
            async with asyncio.timeout(watch.pause_s):
                text = await listener.next()
        except TimeoutError:
            quiet_s += watch.pause_s
            if quiet_s < PING_S:
                continue
            quiet_s, text = 0.0, PING
        except Overrun:
            await websocket.close(SLOW_CONSUMER, "too slow")
            return
        async with asyncio.timeout(SEND_S):
            await websocket.send_text(text)
    await websocket.close(SESSION_REQUIRED, "the session has ended")


async def _receive(websocket: WebSocket, listener: Listener) -> None:
    while True:
        try:
            kind, channels = _request(await websocket.receive_text(), listener.user)
        except KeyError:
            await websocket.close(BAD_REQUEST, "send text")
            return
        except (ValueError, RecursionError, UnknownChannel) as error:
            await websocket.close(BAD_REQUEST, str(error)[:120])
            return
        (listener.subscribe if kind == "subscribe" else listener.unsubscribe)(channels)


def _request(text: str, user: str | None) -> tuple[str, list[str]]:
    """What a listener asks. Raises ValueError or UnknownChannel."""
    if len(text) > MAX_REQUEST_CHARACTERS:
        raise ValueError("the request is too long")
    request: Any = json.loads(text)
    kind = request.get("type") if isinstance(request, dict) else None
    channels = request.get("channels") if isinstance(request, dict) else None
    if kind not in ("subscribe", "unsubscribe") or not isinstance(channels, list):
        raise ValueError('send {"type": "subscribe", "channels": [...]}')
    return kind, wanted_channels([str(name) for name in channels], user)
