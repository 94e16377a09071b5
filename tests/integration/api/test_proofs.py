"""Proofs of mirrored events through the API, made from a real node and verified offline."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from contracts.abi import artifact
from indexer import facts
from indexer.db import connect
from indexer.manifest import Contract, Manifest
from indexer.proof import event
from indexer.rpc import open_rpc
from tests.integration.api.conftest import CHAIN_ID, EXCHANGE, NOW_S, Market, SteppedClock, api_config
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter

pytestmark = pytest.mark.integration

ACCOUNT = "0x" + "aa" * 20


@pytest.fixture
async def market(tmp_path: Path, database_url: str, redis_url: str, anvil: AnvilChain) -> AsyncIterator[Market]:
    """The API beside a real chain."""
    app = create_app(api_config(tmp_path, database_url, redis_url, RPC_URL=anvil.url))
    async with app.router.lifespan_context(app):
        clock = SteppedClock(NOW_S)
        app.state.services = replace(app.state.services, clock=clock)
        yield Market(httpx.ASGITransport(app, raise_app_exceptions=False), database_url, clock)


@pytest.fixture
async def deposits(market: Market, anvil: AnvilChain) -> dict[str, Any]:
    """One block with three deposits; the mirror has the second one."""
    contract = Contract("SettlementExchange", EXCHANGE, artifact("SettlementExchange").abi)
    deposited = next(e for e in contract.events if e.name == "Deposited")
    async with open_rpc([anvil.url], CHAIN_ID) as rpc:
        await emitter.install(rpc, [EXCHANGE])
        await rpc.call("evm_setAutomine", False)
        for cash in (1, 2, 3):
            data = emitter.calldata(deposited, {"account": ACCOUNT, "cash": cash, "energy_wh": 0})
            transaction = {"from": emitter.SENDER, "to": "0x" + EXCHANGE.hex(), "data": data, "gas": hex(100_000)}
            await rpc.call("eth_sendTransaction", transaction)
        await emitter.mine(rpc)
        block: dict[str, Any] = await rpc.call("eth_getBlockByNumber", "latest", False)
    connection = await connect(market.database_url)
    try:
        await facts.ensure(connection, Manifest(CHAIN_ID, 1, (contract,)))
    finally:
        await connection.close()
    await mirror(market, block, bytes.fromhex(block["hash"][2:]))
    return block


async def mirror(market: Market, block: dict[str, Any], block_hash: bytes) -> None:
    await market.execute(
        'insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp") '
        "values ($1, 1, $2, $2, to_timestamp($3)) on conflict (chain_id, number) do update set hash = excluded.hash",
        CHAIN_ID,
        block_hash,
        float(NOW_S),
    )
    await market.execute(
        "insert into blockchain.fact_settlement_exchange_deposited "
        "(chain_id, block_number, log_index, transaction_hash, block_time, emitter, account, cash, energy_wh) "
        "values ($1, 1, 1, $2, to_timestamp($3), $4, $5, 2, 0) on conflict do nothing",
        CHAIN_ID,
        bytes.fromhex(block["transactions"][1][2:]),
        float(NOW_S),
        EXCHANGE,
        bytes.fromhex(ACCOUNT[2:]),
    )


async def test_proof__of_a_mirrored_event__is_verified_offline(market: Market, deposits: dict[str, Any]) -> None:
    async with market.http() as http:
        (item,) = (await http.get("/v1/ledger/events")).json()["items"]
        answer = await http.get(f"/v1/ledger/events/{item['id']}/proof")
    assert (item["id"], answer.status_code) == ("1-1", 200)
    shown = event.verify(event.read(answer.content), bytes.fromhex(deposits["hash"][2:]))
    assert (shown.block_number, shown.transaction_index, shown.log.address) == (1, 1, EXCHANGE)
    assert int.from_bytes(shown.log.data[:32], "big") == 2


async def test_proof__of_what_is_not_mirrored__is_not_found(market: Market, deposits: dict[str, Any]) -> None:
    async with market.http() as http:
        for missing in ("1-0", "1-2", "2-0", "999999999999-1"):
            assert (await http.get(f"/v1/ledger/events/{missing}/proof")).status_code == 404
        for malformed in ("1", "1-", "-1-1", "01-1", "1-1-1", "9" * 30 + "-1"):
            assert (await http.get(f"/v1/ledger/events/{malformed}/proof")).status_code == 422


async def test_proof__of_a_block_the_node_has_not__is_told_apart(market: Market, deposits: dict[str, Any]) -> None:
    await mirror(market, deposits, b"\x12" * 32)
    async with market.http() as http:
        answer = await http.get("/v1/ledger/events/1-1/proof")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_proof__where_the_mirror_is_wrong__is_refused(market: Market, deposits: dict[str, Any]) -> None:
    await market.execute("update blockchain.fact_settlement_exchange_deposited set transaction_hash = $1", bytes(32))
    async with market.http() as http:
        answer = await http.get("/v1/ledger/events/1-1/proof")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
