"""Calls to contracts as the API tells them."""

import pytest

from contracts.typed_data import address_of, checksum
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, CHAIN_ID, EXCHANGE, TOKEN, Market

pytestmark = pytest.mark.integration

ALICE, BOB = address_of(ALICE_KEY), address_of(BOB_KEY)


@pytest.fixture
async def called(market: Market) -> Market:
    """Three calls in block 100."""
    for index, (contract, caller, status) in enumerate(
        ((EXCHANGE, ALICE, "success"), (TOKEN, BOB, "success"), (EXCHANGE, BOB, "reverted"))
    ):
        await market.execute(
            "insert into blockchain.contract_executions (chain_id, block_number, transaction_index, transaction_hash, "
            "contract, caller, selector, function_name, arguments, input, value, nonce, status, gas_limit, gas_used, "
            "gas_price, revert_reason, executed_at) values ($1, 100, $2, $3, $4, $5, '\\x01020304', 'deposit', $6, "
            "'\\x01020304', 0, 1, $7, 90000, 50000, 7, $8, now())",
            CHAIN_ID,
            index,
            index.to_bytes(32, "big"),
            contract,
            caller,
            {"cash": "5"},
            status,
            "CashShort(have=3)" if status == "reverted" else None,
        )
    return market


async def test_executions__all__come_newest_first_and_in_pages(called: Market) -> None:
    seen = []
    cursor: str | None = ""
    async with called.http() as http:
        while cursor is not None:
            page = (await http.get("/v1/ledger/executions?limit=1" + (f"&cursor={cursor}" if cursor else ""))).json()
            seen += page["items"]
            cursor = page["next_cursor"]
    assert [item["transaction_index"] for item in seen] == [2, 1, 0]
    assert (seen[0]["revert_reason"], seen[0]["caller"]) == ("CashShort(have=3)", checksum(BOB))
    assert (seen[2]["arguments"], seen[2]["selector"], seen[2]["gas_used"]) == ({"cash": "5"}, "0x01020304", 50000)


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (f"contract={checksum(EXCHANGE)}", [2, 0]),
        (f"caller={checksum(BOB)}", [2, 1]),
        ("status=reverted", [2]),
        (f"caller={checksum(ALICE)}&status=reverted", []),
    ],
)
async def test_executions__filtered__leave_the_others_out(called: Market, query: str, indexes: list[int]) -> None:
    async with called.http() as http:
        items = (await http.get(f"/v1/ledger/executions?{query}")).json()["items"]
    assert [item["transaction_index"] for item in items] == indexes


async def test_executions__wrong_filters__are_refused(called: Market) -> None:
    async with called.http() as http:
        for query in ("status=done", "contract=0x12", "caller=me"):
            assert (await http.get(f"/v1/ledger/executions?{query}")).status_code == 422
