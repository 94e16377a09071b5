"""What must not be told is not told: not in logs, not in answers, not in what objects say of themselves."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from tests.integration.api.conftest import (
    ALICE_KEY,
    BASE_URL,
    Market,
    api_config,
)
from tests.integration.api.test_agents import signed_in
from tests.integration.api.test_auth import nonce_of, signed

pytestmark = pytest.mark.integration


async def test_logs__of_sign_in_keys_and_faults__hold_no_secret(
    market: Market, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    async with market.client(ALICE_KEY) as client:
        token = (await client.sign_in()).session_token
    async with market.http(token) as alice:
        until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0).isoformat()
        made = await alice.post("/v1/auth/keys", json={"name": "x", "scopes": ["read"], "expires_at": until})
        application = {
            "email": "a@example.org",
            "full_name": "A B",
            "country_code": "DE",
            "phone": "+49 30 7654321",
            "document_type": "passport",
            "document_number": "SECRETNUMBER77",
            "roles": [],
        }
        assert (await alice.put("/v1/kyc/application", json=application)).status_code == 200
        await market.execute("alter table identity.notifications rename to gone")
        assert (await alice.get("/v1/notifications")).status_code >= 500
    text = made.json()["text"]
    sealing_key = (tmp_path / "sealing").read_text()
    app = market.transport.app
    shown = caplog.text + repr(app.state.services.box)  # type: ignore[attr-defined]
    assert "identity.notifications" in caplog.text  # the fault itself is told
    for secret in (token, text, text.removeprefix("gt_"), sealing_key, ALICE_KEY.hex(), "7654321", "SECRETNUMBER77"):
        assert secret not in shown


NEGATIVES: dict[str, dict[str, Any]] = {
    "domain": {"domain": "evil.test"},
    "subdomain": {"domain": "a.market.test"},
    "port": {"domain": "market.test:81"},
    "uri": {"base_url": "http://evil.test"},
    "uri of user": {"base_url": "http://market.test@evil.test"},
    "uri scheme alone": {"base_url": "javascript:alert(1)//market.test"},
    "chain": {"chain_id": 1},
    "no chain": {"chain_id": 0},
    "nonce made up": {"nonce": "a" * 32},
    "nonce short": {"nonce": "a" * 7},
    "nonce with signs": {"nonce": "a-" * 16},
    "too old": {"now": datetime(2020, 1, 1, tzinfo=UTC)},
    "from the future": {"now": datetime(2100, 1, 1, tzinfo=UTC)},
}
CHANGES: dict[str, Callable[[str], str]] = {
    "account": lambda text: text.replace("0x", "0X", 1),
    "capitals": lambda text: text.replace(text.split("\n")[1], text.split("\n")[1].lower().replace("0xa", "0xA")),
    "another account": lambda text: text.replace(text.split("\n")[1], "0x" + "11" * 20),
    "version": lambda text: text.replace("Version: 1", "Version: 2"),
    "a line more": lambda text: text + "\nAdmin: true",
    "line ends": lambda text: text.replace("\n", "\r\n"),
    "statement": lambda text: text.replace("\n\n", "\n\nsign everything ", 1),
    "expired": lambda text: text + "\nExpiration Time: 2020-01-01T00:00:00Z",
    "not yet": lambda text: text + "\nNot Before: 2100-01-01T00:00:00Z",
    "not a time": lambda text: text + "\nExpiration Time: tomorrow",
}


async def test_sign_in__twenty_negatives__are_refused_and_open_nothing(market: Market) -> None:
    assert len(NEGATIVES) + len(CHANGES) >= 20
    async with market.http() as http:
        for case, fields in NEGATIVES.items():
            nonce = await nonce_of(http)
            answer = await http.post("/v1/auth/verify", json=signed(**({"nonce": nonce} | fields)))
            assert answer.status_code in (401, 422), (case, answer.text)
            assert "set-cookie" not in answer.headers
        for case, change in CHANGES.items():
            body = signed(await nonce_of(http))
            answer = await http.post("/v1/auth/verify", json=body | {"message": change(body["message"])})
            assert answer.status_code in (401, 422), (case, answer.text)
            assert "set-cookie" not in answer.headers
        assert (await http.post("/v1/auth/verify", json=signed(await nonce_of(http)))).status_code == 200


async def test_redis_away__reads_go_on_and_limits_hold(tmp_path: Path, database_url: str) -> None:
    config = api_config(tmp_path, database_url, "redis://127.0.0.1:1/0", GRIDTRACE_RATE_LIMIT="40")
    app = create_app(config)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(base_url=BASE_URL, transport=transport) as http:
            found = [(await http.get("/v1/markets")).status_code for _ in range(60)]
    assert found[0] == 200
    assert set(found) == {200, 429}


async def test_role__taken_away__has_no_power_in_the_next_request(market: Market) -> None:
    alice = await signed_in(market, ALICE_KEY)
    for role, status in (("admin", 200), ("trader", 403), ("auditor", 403), ("super_admin", 200), ("viewer", 403)):
        await market.execute("update identity.users set role = $1", role)
        assert (await alice.get("/v1/kyc/applications")).status_code == status, role
