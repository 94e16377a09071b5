import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.client.signing import sign_in_body
from contracts.typed_data import address_of, checksum
from node import eip4361
from tests.integration.api.conftest import ALICE_KEY, BASE_URL, BOB_KEY, CHAIN_ID, OPERATOR_KEY, Market

pytestmark = pytest.mark.integration


async def nonce_of(http: httpx.AsyncClient) -> str:
    response = await http.post("/v1/auth/nonce")
    assert response.status_code == 200
    return str(response.json()["nonce"])


def signed(nonce: str, **changes: Any) -> dict[str, str]:
    fields: dict[str, Any] = {
        "domain": "market.test",
        "base_url": BASE_URL,
        "chain_id": CHAIN_ID,
        "nonce": nonce,
        "key": ALICE_KEY,
        "now": datetime.now(UTC),
    }
    return sign_in_body(**(fields | changes))


async def test_sign_in__own_key__opens_a_session(market: Market) -> None:
    async with market.http() as http:
        response = await http.post("/v1/auth/verify", json=signed(await nonce_of(http)))
        assert response.status_code == 200
        assert response.json()["role"] == "trader"
        cookie = response.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        me = (await http.get("/v1/auth/session")).json()
        assert me == {"account": checksum(address_of(ALICE_KEY)), "role": "trader"}


async def test_sign_in__configured_operator__is_admin(market: Market) -> None:
    async with market.client(OPERATOR_KEY) as client:
        assert (await client.sign_in()).role == "admin"


NOT_FOR_US: list[dict[str, Any]] = [
    {"domain": "evil.test"},
    {"base_url": "http://evil.test"},
    {"chain_id": 1},
    {"nonce": "a" * 32},
    {"now": datetime(2020, 1, 1, tzinfo=UTC)},
    {"now": datetime.now(UTC) + timedelta(hours=1)},
]


async def test_sign_in__message_not_for_us_or_not_for_now__is_refused(market: Market) -> None:
    async with market.http() as http:
        for changes in NOT_FOR_US:
            nonce = await nonce_of(http)
            response = await http.post("/v1/auth/verify", json=signed(**({"nonce": nonce} | changes)))
            assert (response.status_code, response.json()["code"]) == (401, "sign-in-refused"), changes
            assert "set-cookie" not in response.headers


async def test_sign_in__signature_of_another_key__is_refused(market: Market) -> None:
    async with market.http() as http:
        nonce = await nonce_of(http)
        body = signed(nonce) | {"signature": signed(nonce, key=BOB_KEY)["signature"]}
        assert (await http.post("/v1/auth/verify", json=body)).json()["code"] == "sign-in-refused"


async def test_sign_in__nonce_of_another_browser__is_refused(market: Market) -> None:
    async with market.http() as mine, market.http() as his:
        nonce = await nonce_of(his)
        await nonce_of(mine)
        assert (await mine.post("/v1/auth/verify", json=signed(nonce))).json()["code"] == "sign-in-refused"


async def test_sign_in__refused_attempt__uses_the_nonce_up(market: Market) -> None:
    async with market.http() as http:
        nonce = await nonce_of(http)
        assert (await http.post("/v1/auth/verify", json=signed(nonce, chain_id=1))).status_code == 401
        assert (await http.post("/v1/auth/verify", json=signed(nonce))).status_code == 401


async def test_sign_in__one_nonce_fifty_times_at_once__succeeds_once(market: Market) -> None:
    async with market.http() as http:
        body = signed(await nonce_of(http))
        responses = await asyncio.gather(*(http.post("/v1/auth/verify", json=body) for _ in range(50)))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 49


async def test_sign_in__not_a_sign_in_message__is_422(market: Market) -> None:
    async with market.http() as http:
        for message in ("", "hello", "x" * (eip4361.MAX_LENGTH + 1)):
            body = {"message": message, "signature": "0x" + "00" * 65}
            assert (await http.post("/v1/auth/verify", json=body)).status_code == 422


async def test_session__after_sign_out__is_over_at_once(market: Market) -> None:
    async with market.client(ALICE_KEY) as client:
        token = (await client.sign_in()).session_token
    async with market.http(token) as http:
        assert (await http.get("/v1/auth/session")).status_code == 200
        assert (await http.delete("/v1/auth/session")).status_code == 204
        response = await http.get("/v1/auth/session")
        assert (response.status_code, response.json()["code"]) == (401, "session-required")
        assert response.headers["www-authenticate"] == "Bearer"


async def test_session_cookie__from_another_site__cannot_change_anything(market: Market) -> None:
    async with market.http() as http:
        await http.post("/v1/auth/verify", json=signed(await nonce_of(http)))
        for headers in ({"origin": "http://evil.test"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
            response = await http.delete("/v1/auth/session", headers=headers)
            assert (response.status_code, response.json()["code"]) == (403, "origin-refused"), headers
        assert (await http.delete("/v1/auth/session", headers={"origin": BASE_URL})).status_code == 204
