"""Comparisons of balances as the API tells them."""

from datetime import UTC, datetime

import pytest

from contracts.typed_data import checksum
from indexer import reconcile
from indexer.db import connect
from indexer.reconcile import Difference, Pin, Report
from tests.integration.api.conftest import CHAIN_ID, TOKEN, Market

pytestmark = pytest.mark.integration

ALICE = b"\xaa" * 20


async def keep(market: Market, scope: str, *differences: Difference) -> None:
    report = Report(scope, Pin(90, b"\x90" * 32), "finalized", datetime.now(UTC), 5, len(differences))
    report.differences += differences
    db = await connect(market.database_url)
    try:
        async with db.transaction():
            await reconcile.store(db, CHAIN_ID, report)
    finally:
        await db.close()


async def test_reconcile__nothing_compared_yet__is_empty(market: Market) -> None:
    async with market.http() as http:
        answer = (await http.get("/v1/ledger/reconcile")).json()
    assert (answer["newest"], answer["found"], answer["last_day"]["checks"]) == ([], [], 0)


async def test_reconcile__samples_and_an_audit__are_told_with_their_differences(market: Market) -> None:
    wrong = Difference(TOKEN, ALICE, "balance", 2**200, 2**200 + 7, 90)
    await keep(market, "sample", wrong)
    await keep(market, "sample")
    await keep(market, "whole", Difference(TOKEN, None, "total_supply", 1, 2, 90))
    async with market.http() as http:
        answer = (await http.get("/v1/ledger/reconcile")).json()
        first = (await http.get("/v1/ledger/reconcile?limit=1")).json()
    assert [(check["scope"], check["outcome"]) for check in answer["newest"]] == [
        ("sample", "equal"),
        ("whole", "different"),
    ]
    assert answer["last_day"] == {"checks": 3, "compared": 15, "differences": 2, "impossible": 0}
    assert [(found["account"], found["difference"]) for found in answer["found"]] == [
        (None, "-1"),
        (checksum(ALICE), "-7"),
    ]
    assert answer["found"][1]["mirrored"] == str(2**200)
    assert len(first["found"]) == 1
