"""Webhooks through the API: signed, in order, tried again, and nobody else's."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from contracts.typed_data import address_of
from indexer.streams import signature
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    CHAIN_ID,
    EXCHANGE,
    NOW_S,
    Market,
    index_block,
    index_events,
)

pytestmark = pytest.mark.integration

LIMIT_S = 60


class Receiver:
    """Refuses what it is told to refuse, and keeps everything it got."""

    def __init__(self) -> None:
        self.refuse = 0
        self.got: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.refuse > 0:
            self.refuse -= 1
            return web.Response(status=503)
        self.got.append((dict(request.headers), body))
        return web.Response()


@pytest.fixture
async def receiver(unused_tcp_port: int) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    yield receiver
    await runner.cleanup()


@pytest.fixture
def environment(unused_tcp_port: int) -> dict[str, str]:
    return {"GRIDTRACE_WEBHOOK_HOSTS": f"127.0.0.1:{unused_tcp_port}"}


async def token_of(market: Market, key: bytes) -> str:
    async with market.client(key) as client:
        return (await client.sign_in()).session_token


async def deposit(market: Market, block: int) -> None:
    """A block with a deposit; the index stands at it."""
    await market.execute(
        "insert into blockchain.fact_settlement_exchange_deposited (chain_id, block_number, log_index, "
        "transaction_hash, block_time, emitter, account, cash, energy_wh) "
        "values ($1, $2, 0, $3, to_timestamp($4), $5, $6, 5, 0)",
        CHAIN_ID, block, bytes(32), float(NOW_S), EXCHANGE, address_of(ALICE_KEY),
    )  # fmt: skip
    await index_block(market, block)


async def until(found: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await found():
            await asyncio.sleep(0.05)


async def test_webhook__events__come_signed_in_order_and_again_after_a_refusal(
    market: Market, receiver: Receiver, unused_tcp_port: int
) -> None:
    await index_events(market)
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        url = f"http://127.0.0.1:{unused_tcp_port}/hook"
        made = (await http.post("/v1/webhooks", json={"url": url})).json()
        none = (await http.post("/v1/webhooks", json={"url": url, "events": ["payment_token_transfer"]})).json()
        path = f"/v1/webhooks/{made['webhook']['id']}"
        standing = "select count(*) = 2 from blockchain.streams where name like 'webhook-%'"
        await until(lambda: _told(market, standing))
        receiver.refuse = 1
        await deposit(market, 101)
        await deposit(market, 102)
        await until(lambda: _has(receiver, 2))
        await until(lambda: _told(market, "select bool_and(block_number = 102) from blockchain.streams"))
        tries = (await http.get(f"{path}/deliveries")).json()["items"]
        assert (await http.get(f"/v1/webhooks/{none['webhook']['id']}/deliveries")).json()["items"] == []
        assert (await http.delete(path)).status_code == 204
        assert (await http.get(path)).status_code == 404
    messages = [json.loads(body) for _, body in receiver.got]
    assert [message["block_number"] for message in messages] == [101, 102]
    assert messages[0]["events"][0]["arguments"]["cash"] == "5"
    for headers, body in receiver.got:
        expected = signature(made["secret"].encode(), headers["Gridtrace-Timestamp"], body)
        assert headers["Gridtrace-Signature"] == expected
    assert [item["status"] for item in reversed(tries)] == [503, 200, 200]
    assert tries[-1]["message_id"] == messages[0]["id"]
    # What a deleted one had read up to is forgotten.
    await until(lambda: _told(market, "select count(*) = 1 from blockchain.streams where name like 'webhook-%'"))


async def _has(receiver: Receiver, count: int) -> bool:
    return len(receiver.got) >= count


async def _told(market: Market, question: str) -> bool:
    from indexer.db import connect

    db = await connect(market.database_url)
    try:
        return bool(await db.fetchval(question))
    finally:
        await db.close()


async def test_webhook__failing_for_days__is_suspended_and_can_be_resumed(market: Market, unused_tcp_port: int) -> None:
    await index_events(market)
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        made = (await http.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{unused_tcp_port}/hook"})).json()
        path = f"/v1/webhooks/{made['webhook']['id']}"
        await until(lambda: _told(market, "select count(*) = 1 from blockchain.streams where name like 'webhook-%'"))
        await market.execute("update identity.webhooks set failing_since = clock_timestamp() - interval '4 days'")
        await deposit(market, 101)
        await until(lambda: _told(market, "select state = 'suspended' from identity.webhooks"))
        assert (await http.get(path)).json()["failures"] == 1
        resumed = (await http.post(f"{path}/resume")).json()
    assert (resumed["state"], resumed["failures"], resumed["failing_since"]) == ("active", 0, None)


async def test_webhook__of_somebody_else__looks_like_none(market: Market) -> None:
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        made = (await http.post("/v1/webhooks", json={"url": "https://example.org/hook"})).json()
        assert made["secret"] not in (await http.get("/v1/webhooks")).text
    path = f"/v1/webhooks/{made['webhook']['id']}"
    async with market.http(await token_of(market, BOB_KEY)) as http:
        for method, route in (
            ("GET", path),
            ("GET", f"{path}/deliveries"),
            ("POST", f"{path}/resume"),
            ("DELETE", path),
        ):
            answer = await http.request(method, route)
            assert (answer.status_code, answer.json()["code"]) == (404, "webhook-not-found")
        assert (await http.get("/v1/webhooks")).json()["items"] == []


async def test_webhook__to_something_inside__is_refused(market: Market) -> None:
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        for url in ("https://127.0.0.1/", "http://example.org/", "https://[::1]/", "file:///etc/passwd"):
            answer = await http.post("/v1/webhooks", json={"url": url})
            assert (answer.status_code, answer.json()["code"]) == (422, "webhook-refused"), url


async def test_webhook__more_than_twenty__is_refused(market: Market) -> None:
    async with market.http(await token_of(market, ALICE_KEY)) as http:
        for _ in range(20):
            assert (await http.post("/v1/webhooks", json={"url": "https://example.org/"})).status_code == 201
        answer = await http.post("/v1/webhooks", json={"url": "https://example.org/"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-webhooks")
