"""The real contracts, mirrored: balances audited, calls kept by name, events proved."""

import asyncio
from pathlib import Path

import pytest

from api.cli import balance_report
from contracts.typed_data import address_of
from indexer import db as database
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.proof import event
from indexer.receipts import prove
from indexer.rpc import open_rpc
from node.deploy.service import deploy
from tests.integration.conftest import AnvilChain
from tests.integration.indexer.test_anvil import World, indexing
from tests.integration.indexer.test_contracts import ALICE, KEY, Contracts, play

pytestmark = pytest.mark.integration

LIMIT_S = 30.0


async def test_mirror__real_contracts__is_audited_proved_and_knows_every_call(
    database_url: str, anvil: AnvilChain, tmp_path: Path
) -> None:
    path = tmp_path / "deployment.json"
    deployment = await deploy(anvil.url, anvil.chain_id, KEY, address_of(KEY), path)
    config = IndexerConfig(database_url, (anvil.url,), anvil.chain_id, path, SimulatedClock(), 0.05)
    variables = {"DATABASE_URL": database_url, "RPC_URL": anvil.url, "GRIDTRACE_CHAIN_ID": str(anvil.chain_id)}
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], anvil.chain_id) as rpc, indexing(config):
        await play(rpc, Contracts(rpc, deployment))
        head = await World(rpc, config, db).mirrored()
        report = await balance_report.check(variables)
        assert (report.outcome, report.different, report.notes) == ("equal", 0, [])
        assert report.compared > 6
        async with asyncio.timeout(LIMIT_S):
            done = "select block_number from blockchain.cursors where stream = 'executions'"
            while await db.fetchval(done) != head.number:
                await asyncio.sleep(0.05)
        calls = await db.fetch(
            "select function_name, status, arguments from blockchain.contract_executions where caller = $1 "
            "order by block_number, transaction_index",
            bytes.fromhex(ALICE[2:]),
        )
        assert [call["function_name"] for call in calls] == [
            "approve", "deposit", "requestWithdrawal", "raiseNonce", "issue", "executeWithdrawal", "requestWithdrawal",
        ]  # fmt: skip
        assert {call["status"] for call in calls} == {"success"}
        assert calls[1]["arguments"] == {"cash": str(5 * 10**8)}
        unknown = await db.fetchval("select count(*) from blockchain.contract_executions where function_name is null")
        assert unknown == 0
        fact = await db.fetchrow("select * from blockchain.fact_settlement_exchange_deposited limit 1")
        assert fact is not None
        block = "select hash from blockchain.blocks where number = $1"
        block_hash = await db.fetchval(block, fact["block_number"])
        proof = await prove(rpc, anvil.chain_id, block_hash, fact["log_index"])
        assert proof is not None
        assert event.verify(proof, block_hash).log.address == deployment.address("SettlementExchange")
        await db.execute("update blockchain.token_balances set balance = balance + 1")
        await db.execute("update blockchain.account_balances set cash = cash - 1")
        assert (await balance_report.check(variables)).outcome == "different"
    await db.close()
