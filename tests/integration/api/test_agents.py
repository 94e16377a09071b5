"""Agents: what an account lets another wallet do, and no more."""

from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from contracts.agent_grant import AgentGrant, grant_digest
from contracts.typed_data import Domain, address_of, checksum, sign
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    CHAIN_ID,
    EXCHANGE,
    NOW_S,
    OPERATOR_KEY,
    ZONE,
    Market,
    clear_account,
)

pytestmark = pytest.mark.integration

DOMAIN = Domain(CHAIN_ID, EXCHANGE)
ALICE, BOB = checksum(address_of(ALICE_KEY)), checksum(address_of(BOB_KEY))
SLOT = NOW_S + 4 * 900
FOR_ALICE = {"Gridtrace-Account": ALICE}


def at(time_s: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def grant(nonce: int = 1, key: bytes = ALICE_KEY, **changes: Any) -> dict[str, Any]:
    """Alice makes Bob her agent."""
    fields: dict[str, Any] = {
        "account": address_of(ALICE_KEY),
        "agent": address_of(BOB_KEY),
        "zones": (ZONE,),
        "max_wh_per_slot": 2_000,
        "max_buy_price_per_kwh": 300_000,
        "min_sell_price_per_kwh": 50_000,
        "expiry": NOW_S + 86_400,
        "nonce": nonce,
    } | changes
    signature = sign(grant_digest(DOMAIN, AgentGrant(**fields)), key)
    words = {"account": checksum(fields["account"]), "agent": checksum(fields["agent"]), "zones": list(fields["zones"])}
    numbers = ("max_wh_per_slot", "max_buy_price_per_kwh", "min_sell_price_per_kwh", "nonce")
    told = {name: str(fields[name]) for name in numbers}
    return words | told | {"expiry": at(fields["expiry"]), "signature": "0x" + signature.hex()}


def terms(nonce: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "trader": ALICE,
        "zone": ZONE,
        "delivery_start": at(SLOT),
        "side": "buy",
        "energy_wh": "1000",
        "limit_price_per_kwh": "200000",
        "expiry": at(SLOT + 86_400),
        "lane": 1,
        "nonce": str(nonce),
    } | changes


async def signed_in(market: Market, key: bytes) -> httpx.AsyncClient:
    async with market.client(key) as client:
        return market.http((await client.sign_in()).session_token)


async def test_grant__digest__is_what_eth_account_signs() -> None:
    body = grant()
    names = ["account", "agent", "zones", "maxWhPerSlot", "maxBuyPricePerKwh", "minSellPricePerKwh", "expiry", "nonce"]
    kinds = ["address", "address", "uint32[]", "uint32", "int48", "int48", "uint32", "uint48"]
    message = encode_typed_data(
        {"name": "Gridtrace Exchange", "version": "1", "chainId": CHAIN_ID, "verifyingContract": EXCHANGE},
        {"AgentGrant": [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]},
        dict(
            zip(
                names,
                (address_of(ALICE_KEY), address_of(BOB_KEY), [ZONE], 2000, 300_000, 50_000, NOW_S + 86_400, 1),
                strict=True,
            )
        ),
    )
    assert "0x" + Account.sign_message(message, ALICE_KEY).signature.hex().removeprefix("0x") == body["signature"]


async def test_agent__until_revoked__reads_and_cancels_for_the_account_alone(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    alice, bob = await signed_in(market, ALICE_KEY), await signed_in(market, BOB_KEY)
    assert (await bob.get("/v1/orders", headers=FOR_ALICE)).status_code == 403
    async with market.http() as anyone:
        assert (await anyone.post("/v1/agents", json=grant())).status_code == 201
        assert (await anyone.post("/v1/agents", json=grant())).status_code == 201
    assert [item["agent"] for item in (await alice.get("/v1/agents")).json()["items"]] == [BOB]
    assert [item["account"] for item in (await bob.get("/v1/agents/accounts")).json()["items"]] == [ALICE]
    assert (await bob.get("/v1/agents")).json()["items"] == []

    assert (await bob.get(f"/v1/balances/{ALICE}")).status_code == 404
    assert (await bob.get(f"/v1/balances/{ALICE}", headers=FOR_ALICE)).status_code == 200
    assert (await bob.get("/v1/auth/session", headers=FOR_ALICE)).json() == {"account": ALICE, "role": "trader"}
    assert (await bob.post("/v1/orders:cancel", json={}, headers=FOR_ALICE)).json() == {"results": []}

    for method, path, body in (
        ("GET", "/v1/kyc/personal-data", None),
        ("DELETE", "/v1/kyc/personal-data", None),
        ("POST", "/v1/notifications/read", {"until": 0}),
        ("DELETE", f"/v1/agents/{BOB}", None),
        ("DELETE", "/v1/auth/session", None),
        ("POST", "/v1/auth/keys", {"name": "x", "scopes": ["read"], "expires_at": at(NOW_S)}),
    ):
        answer = await bob.request(method, path, json=body, headers=FOR_ALICE)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path

    assert (await alice.delete(f"/v1/agents/{BOB}")).status_code == 204
    assert (await bob.get("/v1/orders", headers=FOR_ALICE)).status_code == 403
    assert (await alice.delete(f"/v1/agents/{BOB}")).json()["code"] == "agent-not-found"
    async with market.http() as anyone:
        assert (await anyone.post("/v1/agents", json=grant())).json()["code"] == "agent-grant-stale"
        assert (await anyone.post("/v1/agents", json=grant(2))).status_code == 201
    market.clock.time_s += 86_401
    assert (await bob.get("/v1/orders", headers=FOR_ALICE)).status_code == 403


async def test_agent__operator__has_no_powers_of_his_own_for_the_account(market: Market) -> None:
    await clear_account(market, BOB_KEY, meter_id=2)
    operator = await signed_in(market, OPERATOR_KEY)
    body = grant(agent=address_of(OPERATOR_KEY))
    assert (await operator.post("/v1/agents", json=body)).status_code == 201
    assert (await operator.get(f"/v1/balances/{BOB}")).status_code == 200
    assert (await operator.get(f"/v1/balances/{BOB}", headers=FOR_ALICE)).status_code == 404
    assert (await operator.get("/v1/kyc/applications", headers=FOR_ALICE)).status_code == 403


async def test_grant__not_signed_by_the_account_or_out_of_bounds__is_refused(market: Market) -> None:
    async with market.http() as anyone:
        for body, code in (
            (grant(key=BOB_KEY), "agent-grant-not-signed"),
            (grant() | {"max_wh_per_slot": "2001"}, "agent-grant-not-signed"),
            (grant() | {"signature": "0x" + "00" * 65}, "agent-grant-not-signed"),
            (grant(agent=address_of(ALICE_KEY)), "agent-grant-invalid"),
            (grant(expiry=NOW_S), "agent-grant-invalid"),
            (grant(expiry=NOW_S + 367 * 86_400), "agent-grant-invalid"),
            (grant() | {"zones": []}, "field-invalid"),
            (grant() | {"zones": [-1]}, "field-invalid"),
            (grant() | {"max_buy_price_per_kwh": str(1 << 47)}, "field-invalid"),
            (grant() | {"more": 1}, "field-invalid"),
        ):
            answer = await anyone.post("/v1/agents", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, code), body


async def test_prepared_order__within_the_grant__is_signed_by_the_account_and_trades(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    alice, bob = await signed_in(market, ALICE_KEY), await signed_in(market, BOB_KEY)
    await bob.post("/v1/agents", json=grant())
    answer = await bob.post("/v1/prepared-orders", json=terms(), headers=FOR_ALICE)
    assert answer.status_code == 201, answer.text
    prepared = answer.json()
    again = await bob.post("/v1/prepared-orders", json=terms(), headers=FOR_ALICE)
    assert again.json()["order_id"] == prepared["order_id"]
    assert (await bob.get("/v1/prepared-orders")).json()["items"] == []
    (waiting,) = (await alice.get("/v1/prepared-orders")).json()["items"]
    assert (waiting["order_id"], waiting["agent"], waiting["terms"]) == (prepared["order_id"], BOB, prepared["terms"])
    order_id = bytes.fromhex(waiting["order_id"][2:])

    forged = waiting["terms"] | {"signature": "0x" + sign(order_id, BOB_KEY).hex()}
    assert (await bob.post("/v1/orders", json=forged)).json()["code"] == "bad-signature"
    good = waiting["terms"] | {"signature": "0x" + sign(order_id, ALICE_KEY).hex()}
    posted = await alice.post("/v1/orders", json=good)
    assert (posted.status_code, posted.json()["order_id"]) == (201, prepared["order_id"])
    assert (await alice.get("/v1/prepared-orders")).json()["items"] == []
    assert (await bob.delete(f"/v1/orders/{prepared['order_id']}")).status_code == 404
    assert (await bob.delete(f"/v1/orders/{prepared['order_id']}", headers=FOR_ALICE)).json()["status"] == "cancelled"


async def test_prepared_order__beyond_the_grant__is_refused(market: Market) -> None:
    alice, bob = await signed_in(market, ALICE_KEY), await signed_in(market, BOB_KEY)
    await bob.post("/v1/agents", json=grant())
    assert (await bob.post("/v1/prepared-orders", json=terms(), headers=FOR_ALICE)).status_code == 201
    for changes in (
        {"zone": 2},
        {"trader": BOB},
        {"limit_price_per_kwh": "300001"},
        {"side": "sell", "limit_price_per_kwh": "49999"},
        {"energy_wh": "1001"},
        {"delivery_start": at(NOW_S - 900)},
        {"delivery_start": at(NOW_S + 96 * 900 + 900)},
    ):
        answer = await bob.post("/v1/prepared-orders", json=terms(2, **changes), headers=FOR_ALICE)
        assert (answer.status_code, answer.json()["code"]) == (422, "beyond-grant"), changes
    assert (await alice.post("/v1/prepared-orders", json=terms(2))).status_code == 403
    (waiting,) = (await alice.get("/v1/prepared-orders")).json()["items"]
    path = f"/v1/prepared-orders/{waiting['order_id']}"
    assert (await bob.delete(path)).status_code == 404
    assert (await alice.delete(path)).status_code == 204
    assert (await alice.delete(path)).json()["code"] == "prepared-order-not-found"
