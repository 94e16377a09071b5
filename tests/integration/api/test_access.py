"""Every route against every kind of caller: what is not yours looks as if it were not there."""

import pytest

from contracts.typed_data import address_of, checksum
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, OPERATOR_KEY, Market, clear_account, index_events

pytestmark = pytest.mark.integration

ALICE = checksum(address_of(ALICE_KEY))
NONE = "00000000-0000-4000-8000-000000000000"
SPAN = "start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"

# path: status for (nobody, Alice herself, Bob, operator)
READS = {
    f"/v1/balances/{ALICE}": (401, 200, 404, 200),
    f"/v1/participants/{ALICE}": (401, 200, 404, 200),
    f"/v1/meters/1/energy?{SPAN}": (401, 200, 404, 200),
    f"/v1/meters/99/energy?{SPAN}": (401, 404, 404, 404),
    "/v1/transactions/1": (401, 200, 404, 200),
    "/v1/transactions/99": (401, 404, 404, 404),
    "/v1/orders": (401, 200, 200, 200),
    "/v1/meters": (401, 200, 200, 200),
    "/v1/auth/session": (401, 200, 200, 200),
    f"/v1/ledger/accounts/{ALICE}": (200, 200, 200, 200),
    "/v1/status": (200, 200, 200, 200),
    "/v1/contracts": (200, 200, 200, 200),
    "/v1/health": (200, 200, 200, 200),
    "/v1/ready": (200, 200, 200, 200),
    "/v1/version": (200, 200, 200, 200),
    "/v1/errors": (200, 200, 200, 200),
    "/v1/markets": (200, 200, 200, 200),
    "/v1/markets/1/slots": (200, 200, 200, 200),
    "/v1/markets/1/trades": (200, 200, 200, 200),
    "/v1/markets/1/auctions": (200, 200, 200, 200),
    "/v1/settlements": (200, 200, 200, 200),
    "/v1/settlements/1/2026-01-01T00:00:00Z": (404, 404, 404, 404),
    "/v1/audit/slots": (200, 200, 200, 200),
    "/v1/audit/anchors": (200, 200, 200, 200),
    "/v1/ledger/blocks": (200, 200, 200, 200),
    "/v1/ledger/events": (200, 200, 200, 200),
    "/v1/ledger/events/1-0/proof": (404, 404, 404, 404),
    "/v1/ledger/reconcile": (200, 200, 200, 200),
    "/v1/ledger/executions": (200, 200, 200, 200),
    "/v1/ledger/transactions": (200, 200, 200, 200),
    "/v1/ledger/transfers": (200, 200, 200, 200),
    "/v1/portfolio": (401, 200, 200, 200),
    f"/v1/portfolio?account={ALICE}": (401, 200, 404, 200),
    "/v1/investments": (401, 200, 200, 200),
    f"/v1/investments?account={ALICE}": (401, 200, 404, 200),
    "/v1/notifications": (401, 200, 200, 200),
    "/v1/kyc/application": (401, 404, 404, 404),
    "/v1/kyc/applications": (401, 403, 403, 200),
    "/v1/auth/keys": (401, 200, 200, 200),
    "/v1/auth/sessions": (401, 200, 200, 200),
    "/v1/auth/me": (200, 200, 200, 200),
    "/v1/assets": (200, 200, 200, 200),
    f"/v1/assets/{NONE}": (404, 404, 404, 404),
    f"/v1/assets/{NONE}/holders": (401, 404, 404, 404),
    f"/v1/assets/{NONE}/documents": (404, 404, 404, 404),
}
WRITES = {
    "/v1/participants": (
        {"account": ALICE, "roles": ["producer"], "kyc_until": "2027-01-01T00:00:00Z", "country": 276},
        (401, 403, 403, 202),
    ),
    "/v1/meters": (
        {
            "meter_id": 7,
            "owner": ALICE,
            "kind": "home",
            "zone": 1,
            "driver": "http",
            "device": "push",
            "address": "-",
            "key": ALICE,
            "fuse_w": "20000",
        },
        (401, 403, 403, 202),
    ),
    "/v1/assets": (
        {"owner": ALICE, "plant_id": "sun-hill", "name": "Sun Hill", "symbol": "SUN", "supply": "1000"},
        (401, 403, 403, 201),
    ),
    f"/v1/assets/{NONE}/token": ({}, (401, 403, 403, 404)),
    f"/v1/assets/{NONE}/status": ({"status": "active"}, (401, 403, 403, 404)),
    f"/v1/kyc/applications/{NONE}/approval": (
        {"cleared_until": "2027-01-01T00:00:00Z", "applied_at": "2026-01-01T00:00:00Z"},
        (401, 403, 403, 404),
    ),
    f"/v1/kyc/applications/{NONE}/rejection": (
        {"reason": "no", "applied_at": "2026-01-01T00:00:00Z"},
        (401, 403, 403, 404),
    ),
    f"/v1/users/{NONE}/role": ({"role": "auditor"}, (401, 403, 403, 404)),
}


async def tokens(market: Market) -> list[str | None]:
    found: list[str | None] = [None]
    for key in (ALICE_KEY, BOB_KEY, OPERATOR_KEY):
        async with market.client(key) as client:
            found.append((await client.sign_in()).session_token)
    return found


async def test_reads__every_route_by_every_caller__show_only_what_is_his(market: Market) -> None:
    await index_events(market)
    await clear_account(market, ALICE_KEY, meter_id=1)
    async with market.client(ALICE_KEY) as alice:
        assert (await alice.faucet(5)).outbox_id == 1
    sessions = await tokens(market)
    wrong = []
    for path, expected in READS.items():
        for who, token, status in zip(("nobody", "alice", "bob", "operator"), sessions, expected, strict=True):
            async with market.http(token) as http:
                found = (await http.get(path)).status_code
            if found != status:
                wrong.append((path, who, found, status))
    assert wrong == []


async def test_reads__foreign_and_missing__are_told_apart_by_nothing(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    token = (await tokens(market))[2]
    async with market.http(token) as http:
        foreign = (await http.get(f"/v1/meters/1/energy?{SPAN}")).json()
        missing = (await http.get(f"/v1/meters/99/energy?{SPAN}")).json()
    same = ("type", "title", "status", "detail", "code", "errors")
    assert [foreign[field] for field in same] == [missing[field] for field in same]


async def test_lists__of_another_account__are_empty(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    sessions = await tokens(market)
    async with market.http(sessions[2]) as bob, market.http(sessions[1]) as alice:
        assert (await bob.get(f"/v1/meters?owner={ALICE}")).json()["items"] == []
        assert (await bob.get("/v1/meters")).json()["items"] == []
        assert len((await alice.get("/v1/meters")).json()["items"]) == 1


async def test_writes__of_administrators__are_refused_to_others(market: Market) -> None:
    await index_events(market)
    sessions = await tokens(market)
    for path, (body, expected) in WRITES.items():
        found = []
        for token in sessions:
            async with market.http(token) as http:
                response = await http.post(path, json=body, headers={"Idempotency-Key": "k1"})
                found.append(response.status_code)
        assert tuple(found) == expected, path


async def test_session__forged__is_nobody(market: Market) -> None:
    async with market.http("forged") as http:
        assert (await http.get("/v1/auth/session")).status_code == 401
