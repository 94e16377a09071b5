import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.client import ApiProblem, ApiUnreachable, Client
from api.client import transport as client_transport

KEY = bytes(31) + b"\x07"
PROBLEM = {"code": "gate-closed", "detail": "too late", "trace_id": "t", "errors": [{"pointer": "#/x", "message": "m"}]}
DOMAIN = {"name": "n", "version": "1", "chain_id": 1, "verifying_contract": "0x" + "00" * 20}
CONTRACTS = {"chain_id": 1, "contracts": {}, "exchange_domain": DOMAIN, "payment_token_domain": DOMAIN}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_transport, "RETRY_DELAYS_S", (0.0, 0.0))


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://api.test", KEY, transport=httpx.MockTransport(answer))


def answering(*answers: httpx.Response | Exception) -> tuple[Client, list[httpx.Request]]:
    requests: list[httpx.Request] = []
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return client(answer), requests


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


async def test_call__problem__is_raised_with_its_code_and_faults() -> None:
    api, _ = answering(httpx.Response(409, json=PROBLEM))
    with pytest.raises(ApiProblem, match="409 gate-closed: too late; #/x: m") as caught:
        await api.status()
    assert (caught.value.code, caught.value.status, caught.value.retryable) == ("gate-closed", 409, False)


async def test_call__answer_that_is_no_problem__is_still_an_api_problem() -> None:
    api, _ = answering(httpx.Response(502, text="<html>bad gateway</html>"))
    with pytest.raises(ApiProblem, match="bad gateway"):
        await api.status()


async def test_call__api_restarting__is_tried_again_until_it_answers() -> None:
    away = httpx.Response(503, json={"code": "unavailable"})
    api, requests = answering(httpx.ConnectError("refused"), away, ok(CONTRACTS))
    assert (await api.contracts()).chain_id == 1
    assert len(requests) == 3


async def test_call__api_gone__is_unreachable_in_the_end() -> None:
    api, requests = answering(*(httpx.ConnectError("refused") for _ in range(3)))
    with pytest.raises(ApiUnreachable):
        await api.contracts()
    assert len(requests) == 3


async def test_ready__nobody_answers__is_false_at_once() -> None:
    api, requests = answering(httpx.ConnectError("refused"))
    assert await api.ready() is False
    assert len(requests) == 1


async def test_contracts__asked_twice__asks_the_server_once() -> None:
    api, requests = answering(ok(CONTRACTS))
    assert await api.contracts() == await api.contracts()
    assert len(requests) == 1


async def test_faucet__repeated_after_a_lost_answer__carries_the_same_key() -> None:
    api, requests = answering(httpx.ReadError("cut"), ok({"outbox_id": 7}))
    assert (await api.faucet(5)).outbox_id == 7
    keys = {request.headers["idempotency-key"] for request in requests}
    assert (len(requests), len(keys)) == (2, 1)
    assert json.loads(requests[0].content)["amount"] == "5"


async def test_balances__decimal_strings__become_integers() -> None:
    body = {"account": "0x", "cash": "12", "energy_wh": "3", "locked": "2", "available": "10", "mandate": None}
    api, _ = answering(ok(body))
    assert (await api.balances()).available == 10


async def test_sign_in__session__is_sent_with_later_requests() -> None:
    nonce = {"nonce": "a" * 17, "domain": "api.test", "uri": "http://api.test"}
    session = {"session_token": "secret", "account": "0x", "role": "trader", "expires_at": "2026-01-01T00:00:00Z"}
    api, requests = answering(ok(CONTRACTS), ok(nonce), ok(session), ok({"meta": None, "items": []}))
    await api.sign_in()
    await api.slots()
    assert requests[-1].headers["authorization"] == "Bearer secret"


async def test_stream__connection_cut__connects_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.client.client.RECONNECT_S", 0.0)
    line = 'data: {"channel":"blocks","seq":%d,"type":"delta","data":{}}\n\n'
    api, requests = answering(
        httpx.Response(200, text=": ping\n\n" + line % 1),
        httpx.ConnectError("refused"),
        httpx.Response(200, text=line % 2),
    )
    seen = []
    async for message in api.stream("blocks"):
        seen.append(message.seq)
        if len(seen) == 2:
            break
    assert seen == [1, 2]
    assert requests[0].url.params["channels"] == "blocks"
