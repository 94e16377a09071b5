"""A way to a server that can be closed and opened again, while the server itself stands."""

import asyncio
from urllib.parse import urlsplit

from api.devnet.process import free_port


class Relay:
    """Listens on a port of its own and passes every connection on."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Nobody is let through any more, and who was is cut off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, here = await asyncio.open_connection(*self._there)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, here}
        await asyncio.gather(self._pump(reader, here), self._pump(there, writer))
        self._open -= {writer, here}

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()
