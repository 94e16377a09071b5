"""Everything that a manifest may ask for beside events, out of one file and one process; and versions by command."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.db import Connection
from indexer.rpc import Rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter
from tests.integration.indexer.test_any_contract import (
    ACCOUNTS,
    CHAIN_ID,
    ERC20,
    LIMIT_S,
    TOKEN,
    ZERO,
    contract,
    indexing,
    mirrored,
    rpc,
    written,
)  # fmt: skip

__all__ = ["rpc"]

pytestmark = pytest.mark.integration

SEVEN = b"\x77" * 20
READS = """
[[chains.reads]]
contract = "Seven"
function = "totalSupply"
every = 2
[[chains.reads]]
contract = "Seven"
function = "balanceOf"
args = ["$to"]
on = "Token.Transfer"
"""


def manifest(folder: Path) -> Path:
    options = 'transactions = true\nreceipts = true\nnative_transfers = "all"\ntraces = "all"\nblock_interval = 2\n'
    contracts = contract("Token", TOKEN, "erc20") + contract("Seven", SEVEN, "erc20")
    return written(folder, options + contracts + READS)


async def played(rpc: Rpc) -> None:
    """Three transfers of a token, and coins sent to nobody's contract."""
    await emitter.install(rpc, [TOKEN])
    await rpc.call("anvil_setCode", "0x" + SEVEN.hex(), "0x600760005260206000f3")
    for to in ACCOUNTS[:3]:
        await emitter.send(rpc, TOKEN, emitter.calldata(ERC20, {"from": ZERO, "to": to, "value": 5}))
    sent = {"from": emitter.SENDER, "to": ACCOUNTS[3], "value": "0x9"}
    await rpc.call("eth_sendTransaction", sent)
    await rpc.call("anvil_mine", "0x1")


async def caught_up(db: Connection) -> None:
    """Waits until the followers stand where the mirror does."""
    async with asyncio.timeout(LIMIT_S):
        while (
            len(set(await db.fetch("select block_number from blockchain.cursors"))) > 1
            or await db.fetchval("select count(*) from blockchain.cursors") != 3
        ):
            await asyncio.sleep(0.05)


async def test_index__all_options_and_reads__are_kept(
    database_url: str, rpc: Rpc, anvil: AnvilChain, tmp_path: Path
) -> None:
    await played(rpc)
    async with indexing(manifest(tmp_path), database_url, anvil.url) as db:
        await mirrored(rpc, db)
        await caught_up(db)
        counts = {
            table: await db.fetchval(f"select count(*) from blockchain.{table}")
            for table in ("fact_token_transfer", "transactions", "receipts", "native_transfers", "call_traces")
        }
        assert counts == dict(zip(counts, (3, 3, 3, 1, 4), strict=True))
        head = await db.fetchval("select block_number from blockchain.cursors where stream = 'main'")
        ticks = await db.fetch("select block_number from blockchain.chain_intervals order by 1")
        assert [number for (number,) in ticks] == list(range(0, head + 1, 2))
        supplies = await db.fetch(
            "select block_number, status, value from blockchain.read_seven_total_supply order by 1"
        )
        assert {(status, value) for number, status, value in supplies if number > 0} <= {
            ("ok", 7),
            ("undecodable", None),
        }
        assert supplies[-1]["value"] == 7
        read = await db.fetch("select account, status, value from blockchain.read_seven_balance_of order by 1")
        assert [tuple(row) for row in read] == [(bytes.fromhex(one[2:]), "ok", 7) for one in ACCOUNTS[:3]]


def command(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli.main", "index", *arguments],
        env={"DATABASE_URL": database_url, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_versions__by_command__are_listed_switched_and_dropped(
    database_url: str, rpc: Rpc, anvil: AnvilChain, tmp_path: Path
) -> None:
    await played(rpc)
    async with indexing(manifest(tmp_path), database_url, anvil.url) as db:
        await mirrored(rpc, db)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api.cli.main", "index", "--manifest", str(tmp_path / "my.toml"),
            "--version-name", "v2",
            env={"DATABASE_URL": database_url, "RPC_URL": anvil.url, "PATH": ""},
        )  # fmt: skip
        try:
            refused = await asyncio.to_thread(command, database_url, "switch", "v9")
            assert refused.returncode
            assert "no version v9" in refused.stderr
            async with asyncio.timeout(LIMIT_S):
                while (await asyncio.to_thread(command, database_url, "switch", "v2")).returncode:
                    await asyncio.sleep(0.5)
            listed = (await asyncio.to_thread(command, database_url, "versions")).stdout
            assert "v2 (served): chain 31337 block" in listed
            await emitter.send(rpc, TOKEN, emitter.calldata(ERC20, {"from": ZERO, "to": ACCOUNTS[0], "value": 6}))
            async with asyncio.timeout(LIMIT_S):
                while await db.fetchval("select count(*) from blockchain.fact_token_transfer") != 4:
                    await asyncio.sleep(0.05)
            dropped = await asyncio.to_thread(command, database_url, "drop", "initial")
            assert dropped.stdout.strip() == "version initial was removed", dropped.stderr
            busy = await asyncio.to_thread(command, database_url, "drop", "v2")
            assert "is the one that is served" in busy.stderr
        finally:
            if process.returncode is None:
                process.terminate()
            assert await process.wait() == 0
    assert anvil.chain_id == CHAIN_ID
