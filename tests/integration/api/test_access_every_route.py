"""Every route by every role: what belongs to another answers like what is not there, and tells nothing of it."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.deps import admin, by_signature, public
from api.rest.routes import ROUTERS
from contracts.typed_data import address_of, checksum
from indexer.db import connect
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    CHAIN_ID,
    METER_KEY,
    NOW_S,
    OPERATOR_KEY,
    Market,
    clear_account,
    index_events,
)
from tests.integration.api.test_agents import grant, signed_in, terms

pytestmark = pytest.mark.integration

ALICE = checksum(address_of(ALICE_KEY))
MARKER = "Marquisette"
NONE = "00000000-0000-4000-8000-000000000000"
NOBODY = "0x" + "77" * 20
PLAIN = ("trader", "manager") + (("owner", "viewer", "installer") if os.environ.get("GRIDTRACE_DEEP") else ())
"""Roles without powers over others, all of them with GRIDTRACE_DEEP."""
ROUTES = [
    (min(route.methods - {"HEAD"}), route)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.methods
]
MISSING = {
    "order_id": "0x" + "77" * 32,
    "meter_id": "99",
    "outbox_id": "999",
    "session_id": NONE,
    "key_id": NONE,
    "user_id": NONE,
    "export_id": NONE,
    "webhook_id": NONE,
    "asset_id": NONE,
    "distribution_id": NONE,
    "account": NOBODY,
    "agent": NOBODY,
    "key": checksum(address_of(METER_KEY)),
    "zone": "1",
    "delivery_start": "2026-01-01T00:00:00Z",
    "event_id": "1-0",
    "block": "100",
    "folder": "legal",
    "file_name": "deed.pdf",
}
"""A value for every part of a path."""
OPEN_TO_ALL = {"/v1/participants/{account}", "/v1/ledger/accounts/{account}"} & {route.path for _, route in ROUTES}
BODIES: Mapping[str, Any] = {
    "/v1/meters/{meter_id}/keys": {"key": NOBODY},
    "/v1/meters/{meter_id}/replacements": {"serial": "1"},
    "/v1/users/{user_id}/role": {"role": "trader"},
    "/v1/kyc/applications/{user_id}/rejection": {"reason": "no", "applied_at": "2026-01-01T00:00:00Z"},
}
QUERY = "start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z&delivery_start=2026-01-01T00:00:00Z"


def policies(dependant: Dependant) -> set[Any]:
    return {below.call for below in dependant.dependencies}.union(*map(policies, dependant.dependencies))


def path_of(route: APIRoute, ids: Mapping[str, str]) -> str:
    path = route.path
    for name in route.param_convertors:
        path = path.replace("{" + name + "}", ids[name] if name in ids else MISSING[name])
    return path + "?" + QUERY


async def alices(market: Market) -> dict[str, str]:
    """Alice has one of everything, and her marker stands in all of it that has words."""
    await index_events(market)
    await clear_account(market, ALICE_KEY, meter_id=1)
    alice = await signed_in(market, ALICE_KEY)
    application = {
        "email": f"{MARKER}@example.org",
        "full_name": MARKER,
        "country_code": "DE",
        "phone": "+49 30 1234567",
        "document_type": "passport",
        "document_number": f"{MARKER}42",
        "roles": [],
    }
    applied = (await alice.put("/v1/kyc/application", json=application)).json()
    until = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0).isoformat()
    key = {"name": MARKER, "scopes": ["read"], "expires_at": until}
    made = await alice.post("/v1/auth/keys", json=key)
    await alice.post("/v1/agents", json=grant(agent=address_of(OPERATOR_KEY)))
    operator = await signed_in(market, OPERATOR_KEY)
    prepared = await operator.post("/v1/prepared-orders", json=terms(), headers={"Gridtrace-Account": ALICE})
    async with market.client(ALICE_KEY) as client:
        outbox_id = (await client.faucet(5)).outbox_id
    await market.execute("update telemetry.meters set device = $1, address = $1", MARKER)
    db = await connect(market.database_url)
    try:
        user = applied["user_id"]
        await db.execute("insert into identity.notifications (user_id, kind) values ($1, $2)", user, MARKER)
        ids = {
            "export_id": await db.fetchval(
                "insert into identity.exports (user_id, account, role, dataset, format, filters, chain_id,"
                " block_number, block_hash, state) values ($1, $2, 'trader', $3, 'csv', '{}', $4, 100, $5, 'failed')"
                " returning id",
                user,
                address_of(ALICE_KEY),
                MARKER,
                CHAIN_ID,
                bytes(32),
            ),
            "webhook_id": await db.fetchval(
                "insert into identity.webhooks (user_id, url, secret, chain_id, state)"
                " values ($1, $2, '', $3, 'suspended') returning id",
                user,
                f"https://{MARKER}.example.org",
                CHAIN_ID,
            ),
            "session_id": await db.fetchval("select id from identity.sessions where user_id = $1", user),
        }
        await db.execute(
            "insert into trading.orders (digest, sequence, trader, side, zone, delivery_start, energy_wh,"
            " limit_price_per_kwh, time_in_force, source, expiry, lane, nonce, signature, received_at)"
            " values ($1, 1, $2, 'buy', 1, to_timestamp($3), 5, 1, 0, 0, 1, 1, 1, $4, now())",
            b"\x55" * 32,
            address_of(ALICE_KEY),
            NOW_S + 3600,
            bytes(65),
        )
    finally:
        await db.close()
    assert (made.status_code, prepared.status_code) == (201, 201), (made.text, prepared.text)
    return {name: str(value) for name, value in ids.items()} | {
        "order_id": "0x" + "55" * 32,
        "meter_id": "1",
        "outbox_id": str(outbox_id),
        "key_id": made.json()["key"]["id"],
        "user_id": str(user),
        "account": ALICE,
        "agent": checksum(address_of(OPERATOR_KEY)),
    }


async def asked(http: httpx.AsyncClient, method: str, route: APIRoute, ids: Mapping[str, str]) -> httpx.Response:
    body = None if method in ("GET", "DELETE") else BODIES.get(route.path, {})
    return await http.request(method, path_of(route, ids), json=body, headers={"Idempotency-Key": "k"})


async def test_every_route__by_nobody__is_refused_unless_open_to_all_or_signed(market: Market) -> None:
    wrong = []
    async with market.http() as http:
        for method, route in ROUTES:
            found = policies(route.dependant)
            if public not in found and by_signature not in found:
                status = (await asked(http, method, route, {})).status_code
                if status != 401:
                    wrong.append((method, route.path, status))
    assert len(ROUTES) > 100
    assert wrong == []


@pytest.mark.parametrize("role", PLAIN)
async def test_every_route__by_a_role_without_powers__tells_nothing_of_another(market: Market, role: str) -> None:
    ids = await alices(market)
    bob = await signed_in(market, BOB_KEY)
    await market.execute("update identity.users set role = $1 where wallet = $2", role, address_of(BOB_KEY))
    assert (await bob.get("/v1/auth/session")).json()["role"] == role
    wrong: list[tuple[object, ...]] = []
    for method, route in ROUTES:
        if route.path == "/v1/auth/session" and method == "DELETE":
            continue  # ends his own
        foreign = await asked(bob, method, route, ids)
        if MARKER in foreign.text or (foreign.status_code >= 500 and foreign.json()["code"] == "internal"):
            wrong.append((method, route.path, foreign.status_code, foreign.text[:200]))
        if admin in policies(route.dependant) and foreign.status_code != 403:
            wrong.append((method, route.path, foreign.status_code, "administrators only"))
        if set(route.param_convertors) & set(ids) and route.path not in OPEN_TO_ALL:
            missing = await asked(bob, method, route, {})
            if (foreign.status_code, foreign.json().get("code")) != (missing.status_code, missing.json().get("code")):
                wrong.append((method, route.path, foreign.text[:200], missing.text[:200]))
    assert wrong == []


async def test_every_read__by_who_oversees__is_allowed_and_by_the_owner_too(market: Market) -> None:
    ids = await alices(market)
    alice, bob = await signed_in(market, ALICE_KEY), await signed_in(market, BOB_KEY)
    for role, applications in (("auditor", 403), ("admin", 200), ("super_admin", 200)):
        await market.execute("update identity.users set role = $1 where wallet = $2", role, address_of(BOB_KEY))
        for path in (f"/v1/balances/{ALICE}", "/v1/meters/1/keys", f"/v1/transactions/{ids['outbox_id']}"):
            assert (await bob.get(path)).status_code == 200, (role, path)
        assert (await bob.get("/v1/kyc/applications")).status_code == applications
    for path in ("/v1/meters/1/keys", f"/v1/orders/{ids['order_id']}", f"/v1/transactions/{ids['outbox_id']}"):
        assert (await alice.get(path)).status_code == 200, path
