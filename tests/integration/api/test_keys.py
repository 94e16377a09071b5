"""Sessions and keys: seen, ended, bounded; roles given by who may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from contracts.typed_data import address_of, checksum
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, OPERATOR_KEY, Market

pytestmark = pytest.mark.integration

KYC = {
    "account": checksum(address_of(BOB_KEY)),
    "roles": ["producer"],
    "kyc_until": "2027-01-01T00:00:00Z",
    "country": 276,
}


async def signed_in(market: Market, key: bytes) -> httpx.AsyncClient:
    async with market.client(key) as client:
        return market.http((await client.sign_in()).session_token)


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0).isoformat()


async def made(http: httpx.AsyncClient, *scopes: str) -> dict[str, Any]:
    answer = await http.post("/v1/auth/keys", json={"name": "bot", "scopes": scopes, "expires_at": tomorrow()})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_key__by_scope__does_as_much_as_it_says(market: Market) -> None:
    admin = await signed_in(market, OPERATOR_KEY)
    for scopes, statuses in (
        (("read",), (200, 403, 403)),
        (("read", "write"), (200, 200, 403)),
        (("read", "write", "operate"), (200, 200, 202)),
    ):
        key = await made(admin, *scopes)
        async with market.http(key["text"]) as program:
            read = await program.get("/v1/orders")
            write = await program.post("/v1/notifications/read", json={"until": 0})
            operate = await program.post("/v1/participants", json=KYC, headers={"Idempotency-Key": "-".join(scopes)})
            assert (read.status_code, write.status_code, operate.status_code) == statuses
            another = await program.post(
                "/v1/auth/keys", json={"name": "x", "scopes": ["read"], "expires_at": tomorrow()}
            )
            assert another.status_code == 403


async def test_key__ended__is_unknown_at_once_and_never_told_again(market: Market) -> None:
    alice, bob = await signed_in(market, ALICE_KEY), await signed_in(market, BOB_KEY)
    key = await made(alice, "read")
    listed = await alice.get("/v1/auth/keys")
    assert key["text"] not in listed.text
    assert [item["id"] for item in listed.json()["items"]] == [key["key"]["id"]]
    path = f"/v1/auth/keys/{key['key']['id']}"
    assert (await bob.delete(path)).status_code == 404
    async with market.http(key["text"]) as program:
        assert (await program.get("/v1/auth/session")).status_code == 200
        assert (await alice.delete(path)).status_code == 204
        assert (await program.get("/v1/auth/session")).status_code == 401
    assert (await alice.delete(path)).status_code == 404


async def test_key__life_and_number__are_bounded(market: Market) -> None:
    alice = await signed_in(market, ALICE_KEY)
    for life in (timedelta(seconds=5), timedelta(days=400), timedelta(days=-1)):
        until = (datetime.now(UTC) + life).replace(microsecond=0).isoformat()
        answer = await alice.post("/v1/auth/keys", json={"name": "x", "scopes": ["read"], "expires_at": until})
        assert (answer.status_code, answer.json()["code"]) == (422, "key-life-invalid")
    for _ in range(20):
        await made(alice, "read")
    answer = await alice.post("/v1/auth/keys", json={"name": "x", "scopes": ["read"], "expires_at": tomorrow()})
    assert answer.json()["code"] == "too-many-keys"


async def test_session__listed_and_ended__only_by_its_owner(market: Market) -> None:
    first, second = await signed_in(market, ALICE_KEY), await signed_in(market, ALICE_KEY)
    bob = await signed_in(market, BOB_KEY)
    items = (await first.get("/v1/auth/sessions")).json()["items"]
    assert [item["is_this"] for item in items] == [False, True]
    path = f"/v1/auth/sessions/{items[0]['id']}"
    assert (await bob.delete(path)).status_code == 404
    assert (await first.delete(path)).status_code == 204
    assert (await second.get("/v1/auth/session")).status_code == 401
    assert (await first.get("/v1/auth/session")).status_code == 200


async def test_role__given_by_who_may__holds_from_the_next_request(market: Market) -> None:
    admin, alice = await signed_in(market, OPERATOR_KEY), await signed_in(market, ALICE_KEY)
    user = (await _users(market))[address_of(ALICE_KEY)]
    path = f"/v1/users/{user}/role"
    assert (await alice.post(path, json={"role": "auditor"})).status_code == 403
    assert (await admin.post(path, json={"role": "super_admin"})).json()["code"] == "role-refused"
    assert (await admin.post(path, json={"role": "auditor"})).json() == {"former": "trader", "role": "auditor"}
    assert (await alice.get("/v1/auth/session")).json()["role"] == "auditor"
    operator = (await _users(market))[address_of(OPERATOR_KEY)]
    answer = await admin.post(f"/v1/users/{operator}/role", json={"role": "trader"})
    assert answer.json()["code"] == "role-refused"


async def _users(market: Market) -> dict[bytes, str]:
    from indexer.db import connect

    db = await connect(market.database_url)
    try:
        return {bytes(row["wallet"]): str(row["id"]) for row in await db.fetch("select id, wallet from identity.users")}
    finally:
        await db.close()
