"""The mirror over GraphQL: filters, pages, one block, and what is refused."""

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from graphql import get_introspection_query

from api.deps import AT_ONCE
from api.graphql import relations
from api.graphql.statements import select
from api.rest import graph
from contracts.typed_data import checksum
from indexer.db import connect
from tests.integration.api.conftest import CHAIN_ID, Market, index_events

pytestmark = pytest.mark.integration

ALICE, BOB, TOKEN = b"\x0a" * 20, b"\x0b" * 20, b"\x0c" * 20


@pytest.fixture
async def ledger(market: Market) -> Market:
    """Transfers of two accounts in ten blocks, the amounts beyond what a double holds."""
    await index_events(market)
    db = await connect(market.database_url)
    for number in range(10):
        for chain_id in (CHAIN_ID, 7):
            await db.execute(
                "insert into blockchain.fact_payment_token_transfer (chain_id, block_number, log_index,"
                ' transaction_hash, block_time, emitter, "from", "to", value)'
                " values ($1, $2, 3, $3, now(), $4, $5, $6, $7::numeric)",
                chain_id,
                number,
                bytes(32),
                TOKEN,
                ALICE if number % 2 else BOB,
                BOB,
                2**200 + number,
            )
    await db.close()
    return market


def forged(*key: Any) -> str:
    return base64.urlsafe_b64encode(bytes(16) + json.dumps(key).encode()).decode().rstrip("=")


async def ask(market: Market, query: str, **variables: Any) -> Any:
    async with market.http() as http:
        answer = await http.post("/v1/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_page__by_key__walks_all_rows_once_and_names_the_block(ledger: Market) -> None:
    query = """query ($after: String) {
        _meta { chainId block { number hash } state }
        paymentTokenTransfer(limit: 4, order: asc, after: $after) {
            items { blockNumber value from } pageInfo { hasNextPage endCursor }
        }
    }"""
    seen, after = [], None
    for _ in range(3):
        answer = (await ask(ledger, query, after=after))["data"]
        assert answer["_meta"]["block"]["number"] == "100"
        seen += answer["paymentTokenTransfer"]["items"]
        after = answer["paymentTokenTransfer"]["pageInfo"]["endCursor"]
    assert [int(item["blockNumber"]) for item in seen] == list(range(10))
    assert int(seen[9]["value"]) == 2**200 + 9
    assert not answer["paymentTokenTransfer"]["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (f'{{ from: "0x{ALICE.hex()}" }}', [1, 3, 5, 7, 9]),
        (f'{{ from_not: "0x{ALICE.hex()}", blockNumber_lt: 3 }}', [0, 2]),
        ("{ blockNumber_in: [2, 4, 44] }", [2, 4]),
        ('{ blockNumber_not_in: ["0", "1", "2", "3", "4", "5", "6", "7"] }', [8, 9]),
        ("{ OR: [{ blockNumber: 1 }, { blockNumber_gte: 9 }] }", [1, 9]),
        (f'{{ AND: [{{ value_gt: "{2**200 + 6}" }}, {{ blockNumber_lte: 8 }}] }}', [7, 8]),
        (f'{{ emitter: "{checksum(TOKEN).lower()}", OR: [] }}', []),
        ("{ AND: [] , blockNumber: 5 }", [5]),
    ],
)
async def test_filter__of_every_kind__finds_what_it_says(ledger: Market, where: str, found: list[int]) -> None:
    query = f"{{ paymentTokenTransfer(order: asc, where: {where}) {{ items {{ blockNumber }} }} }}"
    items = (await ask(ledger, query))["data"]["paymentTokenTransfer"]["items"]
    assert [int(item["blockNumber"]) for item in items] == found


async def test_fragments_and_aliases__ask_for_the_same_columns(ledger: Market) -> None:
    answer = await ask(
        ledger,
        """query { a: paymentTokenTransfer(limit: 1) { ...page } b: participants(limit: 1) { items { account } } }
        fragment page on PaymentTokenTransferPage { items { ...row ... on PaymentTokenTransfer { to } } }
        fragment row on PaymentTokenTransfer { emitter blockTime }""",
    )
    (item,) = answer["data"]["a"]["items"]
    assert item["to"] == "0x" + BOB.hex()
    assert item["emitter"] == checksum(TOKEN)


async def test_schema__introspected__has_events_and_state_and_none_of_the_indexers_books(ledger: Market) -> None:
    answer = await ask(ledger, "{ __schema { queryType { fields { name } } } }")
    names = {field["name"] for field in answer["data"]["__schema"]["queryType"]["fields"]}
    assert {"_meta", "blocks", "accountBalances", "settledOrders", "assetTokenRevenueDeposited"} <= names
    assert not names & {"cursors", "sources", "streams", "streamBlocks", "followerSources", "projectionVersions"}
    assert {relations.camel(table) for table in relations.STATES} <= names


async def test_schema__a_table_more__is_asked_for_without_a_restart(ledger: Market) -> None:
    missing = await ask(ledger, "{ laterThing { items { number } } }")
    assert "errors" in missing
    await ledger.execute(
        "create table blockchain.fact_later_thing (chain_id bigint, number bigint, primary key (chain_id, number))"
    )
    assert (await ask(ledger, "{ laterThing { items { number } } }"))["data"] == {"laterThing": {"items": []}}


async def test_schema__a_table_that_became_a_view__is_asked_for_as_before(ledger: Market) -> None:
    query = "{ participants { items { account } pageInfo { endCursor } } paymentTokenTransfer { items { value } } }"
    before = await ask(ledger, query)
    await ledger.execute("create schema other")
    for table in ("participants", "fact_payment_token_transfer"):
        await ledger.execute(f"alter table blockchain.{table} set schema other")
        await ledger.execute(f"create view blockchain.{table} as select * from other.{table}")
    assert await ask(ledger, query) == before


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ paymentTokenTransfer(limit: 1001) { items { value } } }", "field-invalid"),
        (
            "{ a: blocks(limit: 600) { items { number } } b: blocks(limit: 600) { items { number } } }",
            "query-too-large",
        ),
        ('{ blocks(after: "bm9uZQ") { items { number } } }', "cursor-invalid"),
        ("{ blocks(where: { number_gt: null }) { items { number } } }", "field-invalid"),
        ("{ blocks(where: { number_in: null }) { items { number } } }", "field-invalid"),
        ("{ blocks(where: { AND: null }) { items { number } } }", "field-invalid"),
        ("{ blocks(where: { OR: null }) { items { number } } }", "field-invalid"),
        ('{ blocks(where: { number: "9223372036854775808" }) { items { number } } }', "field-invalid"),
        ('{ blocks(where: { number_in: ["1", "-9223372036854775809"] }) { items { number } } }', "field-invalid"),
        ('{ smartContracts(where: { name: "a\\u0000" }) { items { name } } }', "field-invalid"),
        ("{ blocks(limit: null) { items { number } } }", None),
        ("{ blocks(order: null) { items { number } } }", None),
        (f'{{ blocks(after: "{forged("5")}") {{ items {{ number }} }} }}', "cursor-invalid"),
        ('{ blocks(after: "\u00fc") { items { number } } }', "cursor-invalid"),
        ("{ blocks(where: " + "{ AND: [" * 300 + "] }" * 300 + ") { items { number } } }", None),
        ("{ blocks(limit: 1000) { items { " + "number hash " * 30 + "} } }", "query-too-large"),
        ("{ nothing }", None),
        ("mutation { blocks { items { number } } }", None),
        ("{ " + "a " * 3_000 + "}", None),
        ('{ blocks(where: { hash: "zz" }) { items { number } } }', None),
        ("{", None),
    ],
)
async def test_question__out_of_bounds__is_refused_in_words(ledger: Market, query: str, code: str | None) -> None:
    answer = await ask(ledger, query)
    (error, *_) = answer["errors"]
    assert error["message"]
    assert "Traceback" not in str(answer)
    assert "a fault of ours" not in str(answer)
    if code is not None:
        assert error["extensions"]["code"] == code


@pytest.mark.parametrize(
    "other",
    [
        'blocks(limit: 1, order: asc, after: "END") { items { number } }',
        'blocks(limit: 1, where: { number_gt: "1" }, after: "END") { items { number } }',
        'paymentTokenTransfer(limit: 1, after: "END") { items { value } }',
    ],
)
async def test_cursor__of_another_question__is_refused(ledger: Market, other: str) -> None:
    first = await ask(ledger, "{ blocks(limit: 1) { pageInfo { endCursor } } }")
    end = first["data"]["blocks"]["pageInfo"]["endCursor"]
    assert "errors" not in await ask(
        ledger, '{ blocks(limit: 1, after: "END") { items { number } } }'.replace("END", end)
    )
    (error,) = (await ask(ledger, "{ " + other.replace("END", end) + " }"))["errors"]
    assert error["extensions"]["code"] == "cursor-invalid"


async def test_filter__more_conditions_than_fifty__is_refused(ledger: Market) -> None:
    where = "{ OR: [" + "{ number: 1 } " * 60 + "] }"
    answer = await ask(ledger, f"{{ blocks(where: {where}) {{ items {{ number }} }} }}")
    assert answer["errors"][0]["extensions"]["code"] == "query-too-large"


async def test_question__a_bad_field_beside_a_good_one__costs_it_nothing(ledger: Market) -> None:
    answer = await ask(
        ledger, '{ a: smartContracts(where: { name: "\\u0000" }) { items { name } } b: blocks { items { number } } }'
    )
    assert len(answer["errors"]) == 1
    nothing = {"where": {"blockTime": "0001-01-01T00:00:00+14:00"}}
    query = "query ($where: PaymentTokenTransferFilter) { paymentTokenTransfer(where: $where) { items { value } } }"
    assert "a fault of ours" not in str(await ask(ledger, query, **nothing))


async def test_variables__nested_deeply__are_refused_in_words(ledger: Market) -> None:
    where: dict[str, Any] = {"number": "1"}
    for _ in range(240):
        where = {"AND": [where]}
    answer = await ask(ledger, "query ($w: BlocksFilter) { blocks(where: $w) { items { number } } }", w=where)
    assert [error["message"] for error in answer["errors"]] == ["Variable values are nested too deeply."]


async def test_schema__introspected_as_tools_do__is_told_whole(ledger: Market) -> None:
    answer = await ask(ledger, get_introspection_query())
    assert "errors" not in answer
    assert len(answer["data"]["__schema"]["types"]) > 100


async def test_page__by_a_whole_number__uses_the_key(ledger: Market) -> None:
    """Compared as numeric, a bigint key is read from end to end."""
    db = await connect(ledger.database_url)
    try:
        told = {relation.table: relation for relation in await relations.relations(db)}
        text, values = select(
            told["blocks"], told["blocks"].key, CHAIN_ID, {"number_gt": 5}, descending=True, after=[90], limit=5
        )
        await db.execute("set enable_seqscan = off")
        plan = "\n".join(row[0] for row in await db.fetch("explain " + text, *values))
    finally:
        await db.close()
    assert "Index Cond" in plan and "numeric" not in plan
    (condition,) = [line for line in plan.splitlines() if "Index Cond" in line]
    assert condition.count("number") >= 2


async def test_question__waiting_for_its_turn__holds_no_connection(ledger: Market) -> None:
    app: Any = ledger.transport.app
    services = app.state.services
    async with AsyncExitStack() as others:
        for _ in range(AT_ONCE):
            await others.enter_async_context(services.questions.turn())
        question = asyncio.create_task(ask(ledger, "{ _meta { state } }"))
        await asyncio.sleep(0.3)
        assert not question.done()
        assert services.pool.get_size() == services.pool.get_idle_size()
    assert "errors" not in await question


async def test_question__that_takes_the_database_long__is_ended_in_words(
    ledger: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "STATEMENT_TIMEOUT_MS", 300)
    await ledger.execute(
        "create schema other;"
        "create table other.fact_slow (chain_id bigint, number bigint, primary key (chain_id, number));"
        "create view blockchain.fact_slow as select s.chain_id, s.number from other.fact_slow s, pg_sleep(3)"
    )
    answer = await ask(ledger, "{ slow { items { number } } _meta { state } }")
    assert answer["errors"][0]["extensions"]["code"] == "query-too-large"
