"""Transactions and transfers of coins as the API tells them."""

import pytest

from contracts.typed_data import address_of, checksum
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, CHAIN_ID, Market

pytestmark = pytest.mark.integration

ALICE, BOB = address_of(ALICE_KEY), address_of(BOB_KEY)


@pytest.fixture
async def kept(market: Market) -> Market:
    """Three transactions in block 100; the first has a receipt, and carries coins."""
    for index, (sender, recipient) in enumerate(((ALICE, BOB), (BOB, None), (BOB, ALICE))):
        await market.execute(
            "insert into blockchain.transactions (chain_id, block_number, transaction_index, hash, block_time, sender, "
            "recipient, value, nonce, type, gas_limit, gas_price, input) "
            "values ($1, 100, $2, $3, now(), $4, $5, $6, 1, 2, 90000, 7, '\\x01')",
            CHAIN_ID,
            index,
            index.to_bytes(32, "big"),
            sender,
            recipient,
            2**100,
        )
    place = (CHAIN_ID, bytes(32))
    await market.execute(
        "insert into blockchain.receipts (chain_id, block_number, transaction_index, transaction_hash, block_time, "
        "status, gas_used, cumulative_gas_used, effective_gas_price, logs) values ($1, 100, 0, $2, now(), 1, 21000, "
        "21000, 5, 0)",
        *place,
    )
    await market.execute(
        "insert into blockchain.native_transfers (chain_id, block_number, transaction_index, trace_address, "
        "transaction_hash, block_time, kind, sender, recipient, value) values ($1, 100, 0, '{0,2}', $2, now(), 'call', "
        "$3, $4, 9)",
        *place,
        ALICE,
        BOB,
    )
    return market


async def test_transactions__all__come_newest_first_in_pages_with_their_receipts(kept: Market) -> None:
    seen = []
    cursor: str | None = ""
    async with kept.http() as http:
        while cursor is not None:
            page = (await http.get("/v1/ledger/transactions?limit=2" + (f"&cursor={cursor}" if cursor else ""))).json()
            seen += page["items"]
            cursor = page["next_cursor"]
    assert [item["transaction_index"] for item in seen] == [2, 1, 0]
    assert (seen[2]["status"], seen[2]["gas_used"], seen[2]["gas_price"]) == (1, 21000, "5")
    assert (seen[1]["status"], seen[1]["recipient"], seen[1]["gas_price"]) == (None, None, "7")
    assert (seen[0]["value"], seen[0]["input"]) == (str(2**100), "0x01")


async def test_transactions__of_an_address_or_hash__leave_the_others_out(kept: Market) -> None:
    async with kept.http() as http:
        of_alice = (await http.get(f"/v1/ledger/transactions?address={checksum(ALICE)}")).json()["items"]
        by_hash = (await http.get(f"/v1/ledger/transactions?hash=0x{(1).to_bytes(32, 'big').hex()}")).json()["items"]
        assert (await http.get("/v1/ledger/transactions?address=0x12")).status_code == 422
    assert [item["transaction_index"] for item in of_alice] == [2, 0]
    assert [item["transaction_index"] for item in by_hash] == [1]


async def test_transfers__of_an_address__are_told_with_their_place(kept: Market) -> None:
    async with kept.http() as http:
        found = (await http.get(f"/v1/ledger/transfers?address={checksum(BOB)}")).json()["items"]
        none = (await http.get(f"/v1/ledger/transfers?hash=0x{(1).to_bytes(32, 'big').hex()}")).json()["items"]
    assert [(item["trace_address"], item["value"], item["kind"]) for item in found] == [([0, 2], "9", "call")]
    assert none == []
