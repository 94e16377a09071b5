"""News of new blocks: a WebSocket subscription where the endpoint has one, polling where it has not."""

import asyncio
import logging
from typing import Final

import aiohttp

from indexer.rpc import ws_url

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 5.0
RETRY_S: Final = 10.0
CHECK_S: Final = 2.0
"""A subscription may fall silent without an error: the head is asked for at least this often."""

_SUBSCRIBE = '{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'


class Heads:
    """Waits for the next block. ``run`` must run beside it; without it, waiting is polling."""

    def __init__(self, session: aiohttp.ClientSession, url: str, poll_interval_s: float) -> None:
        self._session = session
        self._url = ws_url(url)
        self._poll_interval_s = poll_interval_s
        self._news = asyncio.Event()
        self.subscribed = False

    async def wait(self) -> None:
        """Returns when a new head was announced, or it is time to ask."""
        limit_s = CHECK_S if self.subscribed else self._poll_interval_s
        try:
            async with asyncio.timeout(limit_s):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def run(self) -> None:
        """Keeps a subscription open until cancelled."""
        while True:
            try:
                await self._listen()
                reason = "closed by the endpoint"
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"
            if self.subscribed:
                logger.info("subscription lost reason=%r; polling", reason)
            self.subscribed = False
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            socket = await self._session.ws_connect(self._url, heartbeat=15)
        async with socket:
            await socket.send_str(_SUBSCRIBE)
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                answer = message.json()
                if not isinstance(answer, dict) or "error" in answer:
                    raise ValueError(f"no newHeads: {str(answer)[:200]}")
                self.subscribed = True
                self._news.set()
