"""The transport against misbehaving endpoints: it fails over, waits, and says what is wrong."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from indexer import rpc
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable, WrongChain
from indexer.rpc import Call, http_url, open_rpc, ws_url

pytestmark = pytest.mark.integration

Answers = Callable[[dict[str, Any]], Any]


@pytest.fixture(autouse=True)
def no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "FIRST_DELAY_S", 0.001)


@asynccontextmanager
async def endpoint(answer: Answers, *, status: list[int] | None = None) -> AsyncIterator[str]:
    """An endpoint of chain 7; ``status`` gives the codes of its first answers."""
    left = status if status is not None else []

    async def handle(request: web.Request) -> web.Response:
        if left and (code := left.pop(0)) != 200:
            return web.Response(status=code, text="no")
        calls = await request.json()
        answers = [{"jsonrpc": "2.0", "id": call["id"], **one(call)} for call in calls]
        return web.json_response(list(reversed(answers)))

    def one(call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == "eth_chainId":
            return {"result": "0x7"}
        found: dict[str, Any] = answer(call)
        return found

    handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = handle
    app = web.Application()
    app.router.add_post("/", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_batch__answers_out_of_order__are_sorted() -> None:
    async with (
        endpoint(lambda call: {"result": call["params"][0]}) as url,
        open_rpc([url], 7) as client,
    ):
        results = await client.batch([Call("echo", (number,)) for number in range(5)])
        assert [rpc.decode(result, int) for result in results] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("status", [[500], [429, 503], [502, 200, 502]])
async def test_call__endpoint_stumbles__is_repeated(status: list[int]) -> None:
    async with (
        endpoint(lambda call: {"result": 1}, status=status) as url,
        open_rpc([url], 7) as client,
    ):
        assert await client.call("x") == 1
        assert client.faults > 0


async def test_call__first_endpoint_dead__fails_over_and_stays() -> None:
    async with (
        endpoint(lambda call: {"result": 1}) as url,
        open_rpc(["http://127.0.0.1:9", url], 7) as client,
    ):
        assert await client.call("x") == 1
        faults = client.faults
        assert await client.call("x") == 1
        assert client.faults == faults == 1


async def test_call__no_endpoint_answers__says_so() -> None:
    async with open_rpc(["http://127.0.0.1:9"], 7) as client:
        with pytest.raises(RpcUnavailable, match=r"127\.0\.0\.1"):
            await client.call("x")


async def test_call__other_chain__is_refused() -> None:
    async with endpoint(lambda call: {"result": 1}) as url, open_rpc([url], 8) as client:
        with pytest.raises(WrongChain, match="chain 7, not 8"):
            await client.call("x")


async def test_call__error_answer__carries_code_and_data() -> None:
    error = {"error": {"code": 3, "message": "execution reverted", "data": "0x08"}}
    async with endpoint(lambda call: error) as url, open_rpc([url], 7) as client:
        with pytest.raises(RpcRefused) as refused:
            await client.call("eth_call")
        assert (refused.value.rpc_code, refused.value.data) == (3, "0x08")


async def test_call__busy__is_repeated() -> None:
    answers = [{"error": {"code": -32005, "message": "limit"}}, {"result": 1}]
    async with endpoint(lambda call: answers.pop(0)) as url, open_rpc([url], 7) as client:
        assert await client.call("x") == 1


async def test_batch__refused_as_a_whole__is_refused_call_by_call() -> None:
    async def refuse(request: web.Request) -> web.Response:
        calls = await request.json()
        if len(calls) == 1:
            return web.json_response([{"id": calls[0]["id"], "result": "0x7"}])
        return web.json_response({"id": None, "error": {"code": -32600, "message": "batch too large"}})

    app = web.Application()
    app.router.add_post("/", refuse)
    async with TestServer(app) as server, open_rpc([str(server.make_url("/"))], 7) as client:
        results = await client.batch([Call("x"), Call("y")])
        assert [str(result) for result in results] == [f"{name}: batch too large (code -32600)" for name in ("x", "y")]


async def test_call__result_of_another_type__is_a_disagreement() -> None:
    async with endpoint(lambda call: {"result": {"a": 1}}) as url, open_rpc([url], 7) as client:
        with pytest.raises(Disagreement):
            await client.call("x", type=int)


def test_twins__of_addresses() -> None:
    assert http_url("wss://host/key") == "https://host/key"
    assert ws_url("http://host:8545") == "ws://host:8545"
