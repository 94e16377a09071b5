"""What a webhook may not reach: forty ways to name something inside, and not one connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from indexer.streams import NotDelivered, WebhookSink
from node.webhooks.guard import WebhookRefused, checked, is_public, open_session

pytestmark = pytest.mark.integration

# {port} is that of a server on this machine, which must not hear of any of them.
TRICKS = [
    "https://127.0.0.1:{port}/", "https://127.0.0.1.:{port}/", "https://127.1:{port}/", "https://127.0.1:{port}/",
    "https://2130706433:{port}/", "https://0x7f000001:{port}/", "https://0x7f.0.0.1:{port}/",
    "https://0177.0.0.1:{port}/", "https://017700000001:{port}/", "https://127.000.000.001:{port}/",
    "https://localhost:{port}/", "https://LOCALHOST:{port}/", "https://localhost.:{port}/",
    "https://localhost.localdomain:{port}/", "https://ip6-localhost:{port}/", "https://0.0.0.0:{port}/",
    "https://0:{port}/", "https://[::]:{port}/", "https://[::1]:{port}/", "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/", "https://[::ffff:7f00:1]:{port}/", "https://[::127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/", "https://[2002:7f00:1::]:{port}/", "https://[fe80::1%25lo]:{port}/",
    "https://169.254.169.254:{port}/latest/meta-data/", "https://[fd00:ec2::254]:{port}/", "https://10.0.0.1:{port}/",
    "https://100.64.0.1:{port}/", "https://192.168.0.1:{port}/", "https://224.0.0.1:{port}/",
    "https://example.org@127.0.0.1:{port}/", "https://127.0.0.1:{port}#@example.org/",
    "https://example.org\\@127.0.0.1:{port}/", "https://１２７.0.0.1:{port}/", "https://ⓛocalhost:{port}/",
    "http://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/", "file:///etc/passwd",
    "https://inside.test:{port}/", "https://rebound.test:{port}/", "https://both.test:{port}/",
    "https://mapped.test:{port}/", "https://127.0.0.1:{port}\r\nHost: example.org/", "//127.0.0.1:{port}/",
]  # fmt: skip


class Names(AbstractResolver):
    """Names that mean something inside: at once, from the second time on, beside a public address, or packed in one."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        first = host not in self.asked
        self.asked.append(host)
        known = {
            "inside.test": ["127.0.0.1"],
            "rebound.test": ["203.0.113.1" if first else "127.0.0.1"],
            "both.test": ["127.0.0.1", "9.9.9.9"],
            "mapped.test": ["::ffff:127.0.0.1"],
        }
        found = known.get(host)
        if found is None:  # as the machine reads it: 127.1, 2130706433, 0x7f.1 and the like
            infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = [str(info[4][0]) for info in infos]
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in found]
        return [
            {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
            for address, kind in zip(found, kinds, strict=True)
        ]

    async def close(self) -> None:
        return None


@asynccontextmanager
async def inside() -> AsyncIterator[tuple[int, list[Any]]]:
    """A server on this machine and the connections it had."""
    connections: list[Any] = []

    async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(heard, None, 0, family=socket.AF_INET)
    async with server:
        yield server.sockets[0].getsockname()[1], connections


async def sent(url: str, allowed: frozenset[str] = frozenset()) -> int:
    async with open_session(allowed, Names()) as session:
        return await WebhookSink(session, str(checked(url, allowed)), b"secret").send({"type": "block"})


async def test_send__to_something_inside__never_connects() -> None:
    assert len(TRICKS) >= 40
    async with inside() as (port, connections):
        for trick in TRICKS:
            with pytest.raises((WebhookRefused, NotDelivered)):
                for _ in range(2):
                    await sent(trick.format(port=port))
        # The server does hear who may come: otherwise the list above would say nothing.
        with pytest.raises(NotDelivered):
            await sent(f"http://127.0.0.1:{port}/", frozenset({f"127.0.0.1:{port}"}))
    assert len(connections) == 1


async def test_send__redirected_inside__does_not_follow() -> None:
    async with inside() as (port, connections):

        async def away(request: web.Request) -> web.Response:
            raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{port}/")

        application = web.Application()
        application.router.add_post("/", away)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        place = f"127.0.0.1:{runner.addresses[0][1]}"
        with pytest.raises(NotDelivered, match="307"):
            await sent(f"http://{place}/", frozenset({place}))
        await runner.cleanup()
    assert connections == []


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe"])
def test_is_public__address_of_the_internet__is(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("url", ["https://example.org/hook?a=b", "https://example.org:8443/", "https://9.9.9.9/"])
def test_checked__public_https__is_taken(url: str) -> None:
    assert str(checked(url)) == url


@pytest.mark.parametrize("url", ["https://example.org:22/", "https://:443/", "https://", "ftp://example.org/", ""])
def test_checked__what_is_no_webhook__is_refused(url: str) -> None:
    with pytest.raises(WebhookRefused):
        checked(url)
