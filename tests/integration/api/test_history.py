"""Reads as of an earlier block: what the facts up to it give, or a refusal a program can act on."""

import pytest

from contracts.typed_data import address_of, checksum
from tests.integration.api.conftest import (
    ALICE_KEY,
    CHAIN_ID,
    EXCHANGE,
    NOW_S,
    TOKEN,
    Market,
    index_block,
    index_events,
)

pytestmark = pytest.mark.integration

ALICE = address_of(ALICE_KEY)
FACT = "(chain_id, block_number, log_index, transaction_hash, block_time, emitter, "


async def fact(market: Market, table: str, block: int, emitter: bytes, **arguments: object) -> None:
    columns = ", ".join(f'"{name}"' for name in arguments)
    values = ", ".join(f"${n}" for n in range(5, 5 + len(arguments)))
    await market.execute(
        f"insert into blockchain.fact_{table} {FACT}{columns}) "
        f"values ($1, $2, 0, '\\x{'00' * 32}', to_timestamp($3), $4, {values})",
        CHAIN_ID,
        block,
        float(NOW_S),
        emitter,
        *arguments.values(),
    )


@pytest.fixture
async def past(market: Market) -> Market:
    """Deposits at 50 and 60, a mandate at 55, tokens at 40 and 70; 60 is final; the index stands at 100."""
    await index_events(market)
    for block in (40, 50, 55, 60, 70, 100):
        if block != 100:
            await index_block(market, block)
    await index_block_again(market)
    await market.execute("update blockchain.cursors set finalized_number = 60, safe_number = 70")
    exchange, token = EXCHANGE, TOKEN
    await fact(market, "settlement_exchange_deposited", 50, exchange, account=ALICE, cash=10**20, energy_wh=7)
    await fact(market, "settlement_exchange_deposited", 60, exchange, account=ALICE, cash=5, energy_wh=1)
    await fact(
        market, "settlement_exchange_mandate_set", 55, exchange,
        account=ALICE, budget_per_slot=3, budget=9, expiry=NOW_S + 100, nonce=1,
    )  # fmt: skip
    await fact(market, "payment_token_transfer", 40, token, **{"from": bytes(20), "to": ALICE, "value": 10**21})
    await fact(market, "payment_token_transfer", 70, token, **{"from": ALICE, "to": EXCHANGE, "value": 10**20})
    return market


async def index_block_again(market: Market) -> None:
    """The cursor at 100, whose block is there already."""
    await market.execute("update blockchain.cursors set block_number = 100, block_hash = $1", (100).to_bytes(32, "big"))


async def test_balances__as_of_a_block__are_of_the_events_up_to_it(past: Market) -> None:
    async with past.client(ALICE_KEY) as alice:
        token = (await alice.sign_in()).session_token
    found = {}
    async with past.http(token) as http:
        for block in (40, 50, 55, 70):
            answer = await http.get(f"/v1/balances/{checksum(ALICE)}?block={block}")
            assert answer.headers["cache-control"] == "private, no-store"
            found[block] = answer.json()
    cash = {block: (int(b["cash"]), int(b["wallet_cash"]), b["locked"]) for block, b in found.items()}
    assert cash == {
        40: (0, 10**21, None),
        50: (10**20, 10**21, None),
        55: (10**20, 10**21, None),
        70: (10**20 + 5, 9 * 10**20, None),
    }
    assert (found[50]["mandate"], found[55]["mandate"]["budget"]) == (None, "9")
    assert [b["meta"]["finality"] for b in found.values()] == ["finalized", "finalized", "finalized", "safe"]
    assert [b["meta"]["block_number"] for b in found.values()] == [40, 50, 55, 70]


async def test_events__by_finality__end_at_its_block(past: Market) -> None:
    newest = {}
    async with past.http() as http:
        for finality in ("latest", "safe", "finalized"):
            page = (await http.get(f"/v1/ledger/events?finality={finality}")).json()
            newest[finality] = (page["meta"]["block_number"], page["items"][0]["block_number"])
        blocks = (await http.get("/v1/ledger/blocks?block=55")).json()["items"]
    assert newest == {"latest": (100, 70), "safe": (70, 70), "finalized": (60, 60)}
    assert [block["number"] for block in blocks] == [55, 50, 40]


async def test_events__of_a_final_block__never_change(past: Market) -> None:
    async with past.http() as http:
        final = await http.get("/v1/ledger/events?block=50")
        young = await http.get("/v1/ledger/events?block=70")
    assert final.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "cache-control" not in young.headers


async def test_account__as_of_a_block__has_the_clearance_of_then(past: Market) -> None:
    await fact(
        past, "participant_registry_participant_set", 55, b"\xb0" * 20,
        account=ALICE, kyc_until=NOW_S, flags=3, country=276,
    )  # fmt: skip
    async with past.http() as http:
        before, after = [
            (await http.get(f"/v1/ledger/accounts/{checksum(ALICE)}?block={block}")).json() for block in (50, 60)
        ]
    assert (before["roles"], before["cash"]) == ([], str(10**20))
    assert (after["roles"], after["cash"]) == (["producer", "consumer"], str(10**20 + 5))


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("events?block=101", 409, "index-behind"),
        ("events?block=54", 404, "block-not-kept"),
        ("events?block=1", 404, "block-not-kept"),
        ("events?block=70&finality=finalized", 409, "not-final"),
        ("events?finality=finalized&min_block=61", 409, "index-behind"),
        ("events?block=-1", 422, "field-invalid"),
        ("events?finality=soon", 422, "field-invalid"),
        ("reconcile?block=50", 422, "history-unavailable"),
        ("reconcile?finality=safe", 422, "history-unavailable"),
    ],
)
async def test_pin__that_cannot_be__is_refused(past: Market, query: str, status: int, code: str) -> None:
    async with past.http() as http:
        answer = await http.get(f"/v1/ledger/{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
