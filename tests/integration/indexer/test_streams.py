"""Streams out: all events once in order, again after a fault, and a notice for what was orphaned."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis

from contracts.abi import artifact
from indexer.manifest import Contract, Manifest
from indexer.streams import Message, NotDelivered, RedisSink, Stream, WebhookSink, signature
from indexer.testkit import Emitted, Kit, emitted, open_kit

pytestmark = pytest.mark.integration

CHAIN, TOKEN, ALICE, BOB = 7, b"\x01" * 20, b"\xaa" * 20, b"\xbb" * 20


def transfer(value: int) -> Emitted:
    return emitted("PaymentToken.Transfer", {"from": ALICE, "to": BOB, "value": value})


class Listening:
    """A receiver that refuses when told to."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.refuses = 0

    async def send(self, message: Message) -> None:
        if self.refuses:
            self.refuses -= 1
            raise NotDelivered("not now")
        self.heard.append(json.loads(json.dumps(message)))

    @property
    def values(self) -> list[Any]:
        return [
            [event["arguments"]["value"] for event in message["events"]] if message["type"] == "block" else "reorg"
            for message in self.heard
        ]


@pytest.fixture
async def kit(database_url: str) -> AsyncIterator[Kit]:
    manifest = Manifest(CHAIN, 1, (Contract("PaymentToken", TOKEN, artifact("PaymentToken").abi),))
    async with open_kit(database_url, manifest) as kit:
        await kit.block()
        yield kit


async def drained(stream: Stream) -> None:
    while await stream.step():
        pass


async def test_step__new_blocks__come_once_in_order_with_exact_numbers(kit: Kit) -> None:
    sink = Listening()
    stream = Stream(kit.db, CHAIN, "test", sink)
    await drained(stream)  # it begins at the head
    await kit.block(transfer(2**200), transfer(2))
    await kit.block()
    number = await kit.block(transfer(3))
    await drained(stream)
    await drained(Stream(kit.db, CHAIN, "test", sink))
    assert sink.values == [[str(2**200), "2"], ["3"]]
    message = sink.heard[1]
    assert (message["block_number"], message["chain_id"]) == (number, CHAIN)
    (event,) = message["events"]
    assert (event["id"], event["event"], event["emitter"]) == (
        f"{number}-0", "payment_token_transfer", "0x" + TOKEN.hex(),
    )  # fmt: skip
    assert event["arguments"]["from"] == "0x" + ALICE.hex()


async def test_step__receiver_that_refuses__gets_it_again(kit: Kit) -> None:
    sink = Listening()
    stream = Stream(kit.db, CHAIN, "test", sink)
    await drained(stream)
    for value in (1, 2, 3):
        await kit.block(transfer(value))
    sink.refuses = 1
    with pytest.raises(NotDelivered):
        await stream.step()
    await drained(stream)
    assert sink.values == [["1"], ["2"], ["3"]]


async def test_step__orphaned_blocks__are_told_before_their_successors(kit: Kit) -> None:
    sink = Listening()
    stream = Stream(kit.db, CHAIN, "test", sink)
    await drained(stream)
    first = await kit.block(transfer(1))
    await kit.block(transfer(2))
    await kit.block(transfer(3))
    await drained(stream)
    await kit.reorg(2, [transfer(4)], [transfer(5)])
    sink.refuses = 1
    with pytest.raises(NotDelivered):
        await stream.step()
    await drained(stream)
    assert sink.values == [["1"], ["2"], ["3"], "reorg", ["4"], ["5"]]
    assert sink.heard[3]["from_block"] == first + 1


async def test_step__everything_delivered_orphaned__is_told_from_the_final_block_on(kit: Kit) -> None:
    sink = Listening()
    stream = Stream(kit.db, CHAIN, "test", sink)
    await drained(stream)
    for _ in range(20):
        await kit.block()
    await kit.block(transfer(1))
    await drained(stream)
    await kit.reorg(5, [transfer(2)])
    await drained(stream)
    assert sink.values == [["1"], "reorg", ["2"]]
    assert sink.heard[1]["from_block"] <= kit.chain.height - 4


async def test_redis_sink__messages__stand_in_the_stream(redis_url: str) -> None:
    client: Redis = Redis.from_url(redis_url)
    try:
        await RedisSink(client).send({"type": "block", "id": "1"})
        ((_, fields),) = await client.xrange("gridtrace:events")
        assert json.loads(fields[b"message"]) == {"type": "block", "id": "1"}
    finally:
        await client.aclose()
    away: Redis = Redis.from_url("redis://127.0.0.1:1")
    with pytest.raises(NotDelivered):
        await RedisSink(away).send({})
    await away.aclose()


async def test_webhook_sink__receiver__can_check_who_sent_it() -> None:
    seen: list[tuple[str, str, bytes]] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        seen.append((request.headers["Gridtrace-Timestamp"], request.headers["Gridtrace-Signature"], body))
        return web.Response(status=204 if len(seen) == 1 else 500)

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            sink = WebhookSink(session, f"http://127.0.0.1:{port}/hook", b"secret", now=lambda: 1_750_000_000.9)
            await sink.send({"id": "1"})
            with pytest.raises(NotDelivered, match="HTTP 500"):
                await sink.send({"id": "2"})
            with pytest.raises(NotDelivered):
                await WebhookSink(session, "http://127.0.0.1:1/", b"secret").send({})
    finally:
        await runner.cleanup()
    moment, signed, body = seen[0]
    assert (moment, json.loads(body)) == ("1750000000", {"id": "1"})
    assert signed == signature(b"secret", moment, body) != signature(b"other", moment, body)
