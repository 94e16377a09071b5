"""Several endpoints: the bad ones are named and put aside, come back, and never make the mirror wrong."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from indexer import endpoints, rpc
from indexer.endpoints import names
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable
from indexer.metrics import Metrics
from indexer.rpc import Call, Node, Rpc, decode, open_rpc
from tests.integration.conftest import AnvilChain

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(rpc, "SERIOUS_ASIDE_S", 0.2)
    monkeypatch.setattr(endpoints, "FIRST_ASIDE_S", 0.05)
    monkeypatch.setattr(endpoints, "RATE_PAUSE_S", 0.05)


class FakeNode:
    """Answers over HTTP and WebSocket."""

    def __init__(self) -> None:
        self.url = ""
        self.chain_id = 7
        self.head = 100
        self.status = 200
        self.error: dict[str, Any] | None = None
        self.most_calls = 1_000
        self.asked = 0
        self.at_once = self.most_at_once = 0
        self.delay_s = 0.0
        self.closes = False

    def answer(self, calls: Any) -> Any:
        self.asked += 1
        if isinstance(calls, dict):
            return self.one(calls)
        if len(calls) > self.most_calls:
            return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batch too large"}}
        return [self.one(call) for call in reversed(calls)]

    def one(self, call: dict[str, Any]) -> dict[str, Any]:
        envelope = {"jsonrpc": "2.0", "id": call["id"]}
        match call["method"]:
            case "eth_chainId":
                return {**envelope, "result": hex(self.chain_id)}
            case "eth_blockNumber":
                return {**envelope, "result": hex(self.head)}
        return {**envelope, "error": self.error} if self.error else {**envelope, "result": call["params"]}

    async def http(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay_s)
            if self.status != 200:
                self.asked += 1
                return web.Response(status=self.status, text="no", headers={"Retry-After": "0"})
            return web.json_response(self.answer(await request.json()))
        finally:
            self.at_once -= 1

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                if self.closes:
                    break
                await socket.send_json(self.answer(message.json()))
        return socket


@asynccontextmanager
async def nodes(count: int) -> AsyncIterator[list[FakeNode]]:
    made = [FakeNode() for _ in range(count)]
    servers = []
    for node in made:
        app = web.Application()
        app.router.add_post("/", node.http)
        app.router.add_get("/", node.socket)
        server = TestServer(app)
        await server.start_server()
        node.url = str(server.make_url("/"))
        servers.append(server)
    yield made
    for server in servers:
        await server.close()


@asynccontextmanager
async def pool(*made: FakeNode, socket: bool = False) -> AsyncIterator[tuple[Rpc, Metrics]]:
    metrics = Metrics(7)
    urls = [node.url.replace("http", "ws") if socket else node.url for node in made]
    async with open_rpc(urls, 7, timeout_s=5.0, watch=metrics) as client:
        yield client, metrics


def faults(metrics: Metrics, place: int, client: Rpc, kind: str) -> float | None:
    labels = {"chain": "7", "endpoint": client.endpoints[place].name, "kind": kind}
    return metrics.registry.get_sample_value("gridtrace_indexer_endpoint_faults_total", labels)


async def asked_of(client: Rpc, node: FakeNode) -> int:
    before = node.asked
    assert await client.call("echo", 1) == [1]
    return node.asked - before


async def test_through__wrong_chain__is_put_aside_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with nodes(2) as (bad, good), pool(bad, good) as (client, metrics):
        bad.chain_id = 1
        assert await asked_of(client, good) == 1
        assert await asked_of(client, bad) == 0, "it is left alone"
        assert faults(metrics, 0, client, "wrong-chain") == 1
        assert client.endpoints[0].name in caplog.text
        assert "serves chain 1, not 7" in caplog.text
        bad.chain_id, good.delay_s = 7, 0.3
        await asyncio.sleep(0.25)
        for _ in range(8):
            await client.compare()
        assert await asked_of(client, bad) == 1


async def test_through__contradiction__is_tried_elsewhere_and_named() -> None:
    async def work(node: Node) -> str:
        if node.endpoint.place == 0:
            raise Disagreement("two truths")
        return node.endpoint.name

    async with nodes(2) as made, pool(*made) as (client, metrics):
        assert await client.through(work) == client.endpoints[1].name
        assert faults(metrics, 0, client, "disagreement") == 1
        used = {"chain": "7", "endpoint": client.endpoints[0].name}
        assert metrics.registry.get_sample_value("gridtrace_indexer_endpoint_in_use", used) == 0


async def test_through__all_contradict_themselves__says_so() -> None:
    async def work(node: Node) -> None:
        raise Disagreement("two truths")

    async with nodes(2) as made, pool(*made) as (client, _):
        with pytest.raises(Disagreement, match="two truths"):
            await client.through(work)


async def test_compare__stale_endpoint__is_put_aside() -> None:
    async with nodes(2) as (slow, fresh), pool(slow, fresh) as (client, metrics):
        slow.head, fresh.head = 100, 120
        await client.compare()
        assert faults(metrics, 0, client, "stale") == 1
        assert await asked_of(client, slow) == 0


async def test_compare__little_behind__stays() -> None:
    async with nodes(2) as (one, other), pool(one, other) as (client, metrics):
        one.head, other.head = 100, 102
        await client.compare()
        assert faults(metrics, 0, client, "stale") == 0


async def test_choose__far_faster_endpoint__is_preferred_in_time() -> None:
    async with nodes(2) as (far, near), pool(far, near) as (client, _):
        far.delay_s = 0.15
        for _ in range(8):
            await client.compare()
        assert await asked_of(client, far) == 0


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_through__endpoint_overloaded__the_other_serves(status: int) -> None:
    async with nodes(2) as (bad, good), pool(bad, good) as (client, metrics):
        bad.status = status
        for _ in range(5):
            assert await client.call("echo", 1) == [1]
        assert good.asked >= 4
        assert sum(faults(metrics, 0, client, kind) or 0 for kind in ("transport", "limit")) >= 1


async def test_ask__batch_too_large__is_split_from_then_on() -> None:
    async with nodes(1) as (node,), pool(node) as (client, _):
        node.most_calls = 8
        results = await client.batch([Call("echo", (number,)) for number in range(50)])
        assert [decode(result, list[int]) for result in results] == [[number] for number in range(50)]
        asked = node.asked
        await client.batch([Call("echo", (number,)) for number in range(10)])
        assert node.asked - asked <= 4, "it remembers"


async def test_ask__no_batches_at_all__asks_one_by_one() -> None:
    async with nodes(1) as (node,), pool(node) as (client, _):
        node.most_calls = 0
        results = await client.batch([Call("echo", (number,)) for number in range(3)])
        assert [decode(result, list[int]) for result in results] == [[0], [1], [2]]


async def test_slot__rate_limited__fewer_at_once_and_more_again() -> None:
    async with nodes(1) as (node,), pool(node) as (client, _):
        node.delay_s = 0.01
        await asyncio.gather(*(client.call("echo", 1) for _ in range(64)))
        open_at_once = node.most_at_once
        assert open_at_once >= 16, "a private node is used at once"
        node.error = {"code": -32005, "message": "too many requests"}
        with pytest.raises(RpcUnavailable):
            await client.call("echo", 1)
        node.error, node.most_at_once = None, 0
        await asyncio.gather(*(client.call("echo", 1) for _ in range(12)))
        assert node.most_at_once <= 4
        node.most_at_once = 0
        await asyncio.gather(*(client.call("echo", 1) for _ in range(300)))
        assert node.most_at_once > 4


async def test_call__range_refused__is_handed_back_not_retried() -> None:
    async with nodes(1) as (node,), pool(node) as (client, _):
        node.error = {"code": -32005, "message": "query returned more than 10000 results"}
        with pytest.raises(RpcRefused, match="10000 results"):
            await client.call("echo", 1)
        assert node.asked == 1


async def test_socket__requests_and_batches__go_over_one_connection() -> None:
    async with nodes(1) as (node,), pool(node, socket=True) as (client, _):
        assert await client.call("echo", 5) == [5]
        found = await asyncio.gather(*(client.call("echo", number) for number in range(20)))
        assert found == [[number] for number in range(20)]


async def test_socket__closed_by_the_endpoint__is_opened_again() -> None:
    async with nodes(1) as (node,), pool(node, socket=True) as (client, _):
        assert await client.call("echo", 5) == [5]
        node.closes = True
        with pytest.raises(RpcUnavailable, match="closed"):
            await client.call("echo", 5)
        node.closes = False
        assert await client.call("echo", 6) == [6]


@pytest.mark.parametrize("socket", [False, True])
async def test_ask__answer_too_large__is_a_refusal(monkeypatch: pytest.MonkeyPatch, socket: bool) -> None:
    monkeypatch.setattr(rpc, "MAX_ANSWER_BYTES", 5_000)
    async with nodes(1) as (node,), pool(node, socket=socket) as (client, _):
        with pytest.raises(RpcRefused, match="too large"):
            await client.call("echo", "x" * 6_000)
        assert await client.call("echo", "x") == ["x"]


async def test_socket__anvil__answers_batches(anvil: AnvilChain) -> None:
    async with open_rpc([anvil.url.replace("http", "ws")], anvil.chain_id) as client:
        results = await client.batch([Call("eth_blockNumber"), Call("eth_gasPrice"), Call("no_such_method")])
        assert decode(results[0], str) == "0x0"
        assert isinstance(results[2], RpcRefused)


def test_names__hosts_without_keys__are_told_apart() -> None:
    urls = ["https://rpc.example/v3/secret", "https://rpc.example/v3/other", "ws://127.0.0.1:8546/key"]
    assert names(urls) == ["rpc.example", "rpc.example#2", "127.0.0.1:8546"]
