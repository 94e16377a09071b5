"""What is not for everyone: who may write to an asset, what a key does not reach, and what no cache keeps."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.typed_data import address_of, checksum
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, CHAIN_ID, OPERATOR_KEY, FreshChain, Market, index_events
from tests.integration.api.test_keys import made, signed_in, tomorrow

pytestmark = pytest.mark.integration

PLANT = {
    "owner": checksum(address_of(ALICE_KEY)),
    "plant_id": "sun-hill",
    "name": "Sun Hill",
    "symbol": "SUN",
    "supply": "1000",
}
APPLICATION: dict[str, Any] = {
    "email": "alice@example.org",
    "full_name": "Alice Example",
    "country_code": "CH",
    "phone": "+41 44 668 18 00",
    "document_type": "passport",
    "document_number": "X1234567",
}
WEATHER = {"items": [{"time": "2026-01-01T00:00:00Z", "temperature": "5"}]}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "sealing").write_text("0x" + "5a" * 32)
    return {
        "GRIDTRACE_DOCUMENTS_DIR": str(tmp_path / "documents"),
        "GRIDTRACE_SEALING_KEY_FILE": str(tmp_path / "sealing"),
    }


@pytest.fixture
async def ledger(market: Market) -> Market:
    """With the tables of events, which assets are read from."""
    await index_events(market)
    return market


async def entered(market: Market) -> str:
    """An asset of Alice's."""
    operator = await signed_in(market, OPERATOR_KEY)
    answer = await operator.post("/v1/assets", json=PLANT)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["asset"]["id"])


async def test_asset__auditor__sees_and_changes_nothing(ledger: Market) -> None:
    asset_id = await entered(ledger)
    alice, bob = await signed_in(ledger, ALICE_KEY), await signed_in(ledger, BOB_KEY)
    await ledger.execute("update identity.users set role = 'auditor' where wallet = $1", address_of(BOB_KEY))
    paper, weather = f"/v1/assets/{asset_id}/documents/legal/deed.txt", f"/v1/assets/{asset_id}/weather"
    for caller, statuses in ((bob, (403, 403)), (alice, (201, 200))):
        put = await caller.put(paper, content=b"the deed")
        added = await caller.post(weather, json=WEATHER)
        assert (put.status_code, added.status_code) == statuses, (put.text, added.text)
    assert (await bob.get(paper)).content == b"the deed"


async def test_paper__public__is_asked_about_again_and_not_sent_twice(ledger: Market) -> None:
    asset_id = await entered(ledger)
    alice = await signed_in(ledger, ALICE_KEY)
    papers = f"/v1/assets/{asset_id}/documents"
    for name in ("technical/plan.txt", "legal/deed.txt"):
        assert (await alice.put(f"{papers}/{name}", content=b"words")).status_code == 201
    async with ledger.http() as nobody:
        first = await nobody.get(f"{papers}/technical/plan.txt")
        assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
        for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
            again = await nobody.get(f"{papers}/technical/plan.txt", headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        other = await nobody.get(f"{papers}/technical/plan.txt", headers={"If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, b"words")
    deed = await alice.get(f"{papers}/legal/deed.txt")
    assert deed.headers["cache-control"] == "private, no-store"


async def test_key__of_any_scope__does_not_reach_what_is_personal(market: Market) -> None:
    alice = await signed_in(market, ALICE_KEY)
    assert (await alice.put("/v1/kyc/application", json=APPLICATION)).status_code == 200
    key = await made(alice, "read", "write", "operate")
    session = (await alice.get("/v1/auth/sessions")).json()["items"][0]["id"]
    async with market.http(key["text"]) as program:
        answers = [
            await program.get("/v1/kyc/application"),
            await program.put("/v1/kyc/application", json=APPLICATION),
            await program.get("/v1/kyc/personal-data"),
            await program.delete("/v1/kyc/personal-data"),
            await program.delete(f"/v1/auth/sessions/{session}"),
            await program.delete(f"/v1/auth/keys/{key['key']['id']}"),
        ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "forbidden")] * 6
    whole = (await alice.get("/v1/kyc/personal-data")).json()
    assert (whole["phone"], whole["document_number"]) == (APPLICATION["phone"], APPLICATION["document_number"])


async def test_answer__to_somebody__is_kept_by_no_cache(market: Market) -> None:
    alice = await signed_in(market, ALICE_KEY)
    assert (await alice.get("/v1/orders")).headers["cache-control"] == "private, no-store"
    async with market.http() as nobody:
        assert "cache-control" not in (await nobody.get("/v1/markets")).headers


@pytest.mark.parametrize("character", ["\x00", "\n", "\x7f"])
async def test_text__with_control_characters__is_refused(market: Market, character: str) -> None:
    operator = await signed_in(market, OPERATOR_KEY)
    text = f"a{character}b@example.org"
    key = {"name": text, "scopes": ["read"], "expires_at": tomorrow()}
    rejection = {"reason": text, "applied_at": "2026-01-01T00:00:00Z"}
    answers: list[httpx.Response] = [
        await operator.put("/v1/kyc/application", json=APPLICATION | {field: text})
        for field in ("email", "full_name", "document_number")
    ]
    answers.append(await operator.post("/v1/auth/keys", json=key))
    answers.append(await operator.post("/v1/assets", json=PLANT | {"name": text}))
    path = "/v1/kyc/applications/00000000-0000-4000-8000-000000000000/rejection"
    answers.append(await operator.post(path, json=rejection))
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "field-invalid")] * 6


async def test_terms__while_the_chain_is_asked__hold_no_connection(ledger: Market) -> None:
    asset_id = await entered(ledger)
    await ledger.execute(
        "insert into blockchain.asset_tokens"
        " select $1, $2, token_id, $3, $4, 1000, 'Sun', 'SUN', $3, '', 5, 10, null, 0, 1 from assets.assets",
        CHAIN_ID,
        b"\xcc" * 20,
        bytes(32),
        address_of(ALICE_KEY),
    )
    app: Any = ledger.transport.app
    pool, held = app.state.services.pool, []

    async def call(self: FreshChain, method: str, *params: object) -> str:
        held.append(pool.get_size() - pool.get_idle_size())
        return "0x" + bytes(32).hex()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FreshChain, "call", call)
        async with ledger.http() as nobody:
            account = PLANT["owner"]
            permit = await nobody.get(f"/v1/deposits/permit?account={account}&amount=5")
            terms = await nobody.get(f"/v1/assets/{asset_id}/purchases/terms?account={account}&fractions=2")
    assert (permit.status_code, permit.json()["nonce"]) == (200, "0")
    assert (terms.status_code, terms.json()["cost"], terms.json()["meta"]["block_number"]) == (200, "10", 100), (
        terms.text
    )
    assert held == [0, 0, 0]
