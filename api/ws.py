"""Live news over WebSocket and server-sent events.

Every message is ``{"channel", "seq", "type", "data"}``. ``seq`` grows by one within a channel; a gap, or a new
``stream_id`` in the ``hello``, means: read again what you show.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.deps import Services, public
from api.hub import CHANNELS, Hub, Listener, Overrun, TooManyListeners
from node.errors import Refused

logger = logging.getLogger(__name__)
router = APIRouter(tags=["streams"], dependencies=[Depends(public)])

PING_S: Final = 15.0
SEND_S: Final = 10.0
"""Who has not taken a message after this long is gone, or might as well be."""
SLOW_CONSUMER: Final = 4008
TRY_AGAIN_LATER: Final = 1013
BAD_REQUEST: Final = 4000
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
    feeding = asyncio.create_task(hub.feed(services), name="stream hub")
    try:
        yield hub
    finally:
        feeding.cancel()
        hub.close()
        with suppress(asyncio.CancelledError):
            await feeding


def _hub_of(connection: HTTPConnection) -> Hub:
    found: Hub = connection.app.state.hub
    return found


async def _hub(connection: HTTPConnection) -> Hub:
    return _hub_of(connection)


def wanted_channels(names: list[str]) -> list[str]:
    """Raises UnknownChannel for a name that is none of ours."""
    for name in names:
        if name not in CHANNELS:
            raise UnknownChannel(f"no channel {name!r}; there are {', '.join(CHANNELS)}")
    return names


@router.get(
    "/v1/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Endless news"}},
)
async def stream(
    hub: Annotated[Hub, Depends(_hub)],
    channels: Annotated[str, Query(max_length=200, description="Names, separated by commas")] = ",".join(CHANNELS),
) -> News:
    """Server-sent events: each ``data`` is one message; first the newest of every channel."""
    names = wanted_channels([name for name in channels.split(",") if name])
    hub.require_room()
    return News(_events(hub, names))


async def _events(hub: Hub, names: list[str]) -> AsyncGenerator[str, None]:
    with hub.listen(names) as listener:
        while True:
            try:
                message = await asyncio.wait_for(listener.next(), PING_S)
            except TimeoutError:
                yield ": ping\n\n"
            except Overrun:
                return
            else:
                yield f"data: {message}\n\n"


@router.websocket("/v1/ws")
async def socket(websocket: WebSocket) -> None:
    """Send ``{"type": "subscribe", "channels": [...]}``; ``unsubscribe`` likewise. A ping comes every 15 s."""
    await websocket.accept()
    try:
        with _hub_of(websocket).listen([]) as listener:
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
    while True:
        try:
            text = await asyncio.wait_for(listener.next(), PING_S)
        except TimeoutError:
            text = json.dumps({"channel": "stream", "seq": 0, "type": "ping", "data": {}})
        except Overrun:
            await websocket.close(SLOW_CONSUMER, "too slow")
            return
        async with asyncio.timeout(SEND_S):
            await websocket.send_text(text)


async def _receive(websocket: WebSocket, listener: Listener) -> None:
    while True:
        try:
            kind, channels = _request(await websocket.receive_text())
        except KeyError:
            await websocket.close(BAD_REQUEST, "send text")
            return
        except (ValueError, RecursionError, UnknownChannel) as error:
            await websocket.close(BAD_REQUEST, str(error)[:120])
            return
        (listener.subscribe if kind == "subscribe" else listener.unsubscribe)(channels)


def _request(text: str) -> tuple[str, list[str]]:
    """What a listener asks. Raises ValueError or UnknownChannel."""
    if len(text) > MAX_REQUEST_CHARACTERS:
        raise ValueError("the request is too long")
    request: Any = json.loads(text)
    kind = request.get("type") if isinstance(request, dict) else None
    channels = request.get("channels") if isinstance(request, dict) else None
    if kind not in ("subscribe", "unsubscribe") or not isinstance(channels, list):
        raise ValueError('send {"type": "subscribe", "channels": [...]}')
    return kind, wanted_channels([str(name) for name in channels])
