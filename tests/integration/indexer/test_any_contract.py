"""Any contract on a real chain: from options alone or a manifest; its values typed, its children found."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest
from eth_abi.abi import encode

from indexer import chains, manifest_file, watch
from indexer.chains import ChainToIndex
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.db import Connection
from indexer.event import Event, event_of
from indexer.rpc import Rpc, open_rpc
from indexer.standards import ABIS
from tests.integration.conftest import AnvilChain, database_of, execute, run
from tests.integration.indexer import emitter

pytestmark = pytest.mark.integration

LIMIT_S = 30.0
CHAIN_ID = 31337
TOKEN, NFT, MAKER, ODD = (bytes([number]) * 20 for number in (0x11, 0x22, 0x33, 0x44))
ACCOUNTS = ["0x" + bytes([number]).hex() * 20 for number in range(0xC1, 0xC5)]
ZERO = "0x" + "00" * 20
ERC20, ERC721 = (event_of("T", ABIS[standard][0]) for standard in ("erc20", "erc721"))


def entry(name: str, *inputs: dict[str, Any], anonymous: bool = False) -> dict[str, Any]:
    return {"type": "event", "name": name, "inputs": list(inputs), "anonymous": anonymous}


def part(kind: str, name: str, *components: dict[str, Any], indexed: bool = False) -> dict[str, Any]:
    return {"type": kind, "name": name, "indexed": indexed, "components": list(components)}


MADE = entry("Made", part("address", "child", indexed=True))
ODD_ABI = [
    entry("Flat", part("uint256[]", "numbers"), part("bool[2]", "flags"), part("string[]", "words"),
          part("address[]", "people"), part("int8[]", "small")),
    entry("Deep", part("tuple", "point", part("uint256", "x"), part("tuple[]", "tags", part("string", "k"),
          part("bytes", "v"))), part("uint8[][]", "grid")),
    entry("Hashed", part("string", "name", indexed=True), part("uint256[]", "list", indexed=True),
          part("bytes", "raw")),
    entry("Quiet", part("address", "who", indexed=True), part("uint16", "how"), anonymous=True),
]  # fmt: skip


@pytest.fixture
async def rpc(anvil: AnvilChain) -> AsyncIterator[Rpc]:
    async with open_rpc([anvil.url], CHAIN_ID) as opened:
        yield opened


@pytest.fixture
def bare_database(postgres_url: str) -> Iterator[str]:
    """A database in which nothing is."""
    name = f"gridtrace_test_{secrets.token_hex(6)}"
    run(execute(postgres_url, f"create database {name}"))
    yield database_of(postgres_url, name)
    run(execute(postgres_url, f"drop database {name} with (force)"))


def written(folder: Path, text: str, **abis: object) -> Path:
    for name, abi in abis.items():
        (folder / f"{name}.json").write_text(json.dumps(abi))
    (folder / "my.toml").write_text(f"[[chains]]\nid = {CHAIN_ID}\n{text}")
    return folder / "my.toml"


def contract(name: str, address: bytes, abi: str, more: str = "") -> str:
    return f'[[chains.contracts]]\nname = "{name}"\naddress = "0x{address.hex()}"\nabi = "{abi}"\n{more}\n'


@asynccontextmanager
async def indexing(manifest: Path, database_url: str, rpc_url: str) -> AsyncIterator[Connection]:
    config = IndexerConfig(database_url, (rpc_url,), CHAIN_ID, Path(), SimulatedClock(), 0.05)
    found = [ChainToIndex(config, chain.manifest) for chain in manifest_file.load(manifest)]
    task = asyncio.create_task(chains.run(found))
    db = await asyncpg.connect(database_url)
    try:
        yield db
        assert not task.done(), task
    finally:
        await db.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def mirrored(rpc: Rpc, db: Connection) -> None:
    """Waits until the mirror stands at the chain's head, with nothing left that was added later."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            block = await rpc.call("eth_getBlockByNumber", "latest", False)
            with suppress(asyncpg.UndefinedTableError):
                found = await db.fetchval("select block_hash from blockchain.cursors")
                late = await db.fetchval("select count(*) from blockchain.sources where next_block is not null")
                if found is not None and found.hex() == block["hash"][2:] and not late:
                    return
            await asyncio.sleep(0.02)


async def noted(db: Connection, *, sources: int) -> None:
    """Waits until the indexer has taken up what the manifest adds."""
    async with asyncio.timeout(LIMIT_S):
        while await db.fetchval("select count(*) from blockchain.sources") < sources:
            await asyncio.sleep(0.02)


async def emit(rpc: Rpc, address: bytes, event: Event, **values: Any) -> None:
    await emitter.send(rpc, address, emitter.calldata(event, values))


async def chain_balances(rpc: Rpc, address: bytes) -> dict[bytes, int]:
    """Balances from the chain's own logs."""
    logs = await rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": "0x" + address.hex()})
    found: dict[bytes, int] = {}
    for log in logs:
        sender, recipient = (bytes.fromhex(topic[26:]) for topic in log["topics"][1:])
        for account, change in ((sender, -int(log["data"], 16)), (recipient, int(log["data"], 16))):
            if account != bytes(20):
                found[account] = found.get(account, 0) + change
    return found


async def test_index__options_alone__makes_the_table_and_follows_through_reorgs(
    rpc: Rpc, anvil: AnvilChain, bare_database: str, tmp_path: Path
) -> None:
    (tmp_path / "erc20.json").write_text(json.dumps(ABIS["erc20"]))
    await emitter.install(rpc, [TOKEN])
    command = [
        sys.executable, "-m", "api.cli.main", "index", "--abi", str(tmp_path / "erc20.json"), "--address",
        "0x" + TOKEN.hex(), "--event", "Transfer", "--rpc-url", anvil.url, "--database-url", bare_database,
    ]  # fmt: skip
    variables = {
        k: v for k, v in os.environ.items() if not k.startswith("GRIDTRACE") and k not in ("DATABASE_URL", "RPC_URL")
    }
    process = subprocess.Popen(command, env=variables)  # noqa: ASYNC220
    db = await asyncpg.connect(bare_database)
    random = Random(7)
    try:
        for _ in range(6):
            for _ in range(8):
                people = random.sample([*ACCOUNTS, ZERO], 2)
                await emit(
                    rpc, TOKEN, ERC20, **dict(zip(("from", "to"), people, strict=True)), value=random.getrandbits(99)
                )
            if random.random() < 0.7:
                await mirrored(rpc, db)
                await rpc.call("anvil_reorg", random.randint(1, 6), [])
            await mirrored(rpc, db)
            rows = await db.fetch("select account, balance::text from blockchain.token_balances")
            assert {row["account"]: int(row["balance"]) for row in rows} == await chain_balances(rpc, TOKEN)
        tables = await db.fetch("select tablename from pg_tables where tablename like 'fact\\_%'")
        assert [row["tablename"] for row in tables] == ["fact_erc20_transfer"]
        assert await db.fetchval("select reorg_epoch from blockchain.cursors") > 0
    finally:
        await db.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


async def test_index__events_of_every_type__are_typed(
    rpc: Rpc, anvil: AnvilChain, database_url: str, tmp_path: Path
) -> None:
    await emitter.install(rpc, [ODD])
    flat, deep, hashed, _ = (event_of("Odd", one) for one in ODD_ABI)
    path = written(tmp_path, contract("Odd", ODD, "odd.json"), odd=ODD_ABI)
    async with indexing(path, database_url, anvil.url) as db:
        await emit(
            rpc,
            ODD,
            flat,
            numbers=[0, 2**256 - 1],
            flags=[True, False],
            words=["é", ""],
            people=ACCOUNTS[:1],
            small=[-1],
        )
        await emit(rpc, ODD, deep, point=(2**255, [("a", b"\x01")]), grid=[[1], [], [2, 3]])
        data = encode(["bytes"], [b"raw"])
        await emitter.send(rpc, ODD, emitter.raw_calldata([hashed.topic, b"\x01" * 32, b"\x02" * 32], data))
        topics = [bytes(12) + b"\xee" * 20]
        await emitter.send(rpc, ODD, emitter.raw_calldata(topics, encode(["uint16"], [65_535])))
        broken = encode(["uint256", "uint256"], [0x40, 2**200])
        await emitter.send(rpc, ODD, emitter.raw_calldata([deep.topic], broken))
        await mirrored(rpc, db)
        row = await db.fetchrow("select numbers::text[], flags, words, people, small from blockchain.fact_odd_flat")
        assert row is not None
        assert tuple(row) == (
            ["0", str(2**256 - 1)], [True, False], ["é", ""], [bytes.fromhex(ACCOUNTS[0][2:])], [-1],
        )  # fmt: skip
        row = await db.fetchrow("select point::text, grid::text from blockchain.fact_odd_deep")
        assert row is not None
        assert json.loads(row["point"]) == {"x": str(2**255), "tags": [{"k": "a", "v": "0x01"}]}
        assert json.loads(row["grid"]) == [[1], [], [2, 3]]
        row = await db.fetchrow("select name, list, raw from blockchain.fact_odd_hashed")
        assert row is not None
        assert tuple(row) == (b"\x01" * 32, b"\x02" * 32, b"raw")
        row = await db.fetchrow("select who, how from blockchain.fact_odd_quiet")
        assert row is not None
        assert tuple(row) == (b"\xee" * 20, 65_535)
        row = await db.fetchrow("select topics, data, reason from blockchain.undecoded_logs")
        assert row is not None
        assert tuple(row) == ([deep.topic], broken, "point starts at byte 64 of 64")


async def test_index__transfers_of_two_standards_under_one_contract__are_both_kept(
    rpc: Rpc, anvil: AnvilChain, database_url: str, tmp_path: Path
) -> None:
    await emitter.install(rpc, [TOKEN, NFT])
    both = [ABIS["erc20"][0], ABIS["erc721"][0]]
    text = contract("Both", TOKEN, "both.json") + contract("Nft", NFT, "erc721")
    async with indexing(written(tmp_path, text, both=both), database_url, anvil.url) as db:
        people = {"from": ZERO, "to": ACCOUNTS[0]}
        await emit(rpc, TOKEN, ERC20, **people, value=5)
        await emit(rpc, TOKEN, ERC721, **people, token_id=2**256 - 1)
        await emit(rpc, NFT, ERC721, **people, token_id=7)
        await emit(rpc, NFT, ERC20, **people, value=5)
        await mirrored(rpc, db)
        topic = ERC20.topic[:4].hex()
        assert await db.fetchval("select value::int from blockchain.fact_both_transfer") == 5
        assert await db.fetchval(f"select token_id::text from blockchain.fact_both_transfer_{topic}") == str(2**256 - 1)
        assert await db.fetchval("select token_id::int from blockchain.fact_nft_transfer") == 7
        assert await db.fetchval("select reason from blockchain.undecoded_logs") == "Transfer has 4 topics, not 3"
        holders = await db.fetch("select token, balance::int from blockchain.token_holders order by 1, 2")
        assert [tuple(row) for row in holders] == [(TOKEN, 1), (TOKEN, 5), (NFT, 1)]


@pytest.mark.parametrize("many", [2, 1_000], ids=["by topic", "by address"])
async def test_index__contracts_of_a_factory__are_found_and_forgotten_with_their_blocks(
    rpc: Rpc, anvil: AnvilChain, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(watch, "MANY", many)
    children = [bytes([number]) * 20 for number in range(0x51, 0x56)]
    stranger = b"\x99" * 20
    await emitter.install(rpc, [MAKER, stranger, *children])
    made = event_of("Maker", MADE)
    text = contract("Maker", MAKER, "maker.json")
    text += '[[chains.contracts]]\nname = "Kid"\nabi = "erc20"\n'
    text += 'factory = { contract = "Maker", event = "Made", argument = "child" }\n'
    path = written(tmp_path, text, maker=[MADE])

    async def transfer(child: bytes) -> None:
        await emit(rpc, child, ERC20, **{"from": ZERO, "to": ACCOUNTS[0]}, value=1)

    async def counts(db: Connection) -> dict[bytes, int]:
        await mirrored(rpc, db)
        rows = await db.fetch("select emitter, count(*) from blockchain.fact_kid_transfer group by 1")
        return {row["emitter"]: row["count"] for row in rows}

    await transfer(children[0])
    for child in children[:3]:
        await emit(rpc, MAKER, made, child="0x" + child.hex())
        await transfer(child)
    await transfer(stranger)
    async with indexing(path, database_url, anvil.url) as db:
        assert await counts(db) == dict.fromkeys(children[:3], 1)
        await emit(rpc, MAKER, made, child="0x" + children[3].hex())
        await transfer(children[3])
        await transfer(children[0])
        assert await counts(db) == {**dict.fromkeys(children[:4], 1), children[0]: 2}
        await rpc.call("anvil_reorg", 3, [])
        assert await counts(db) == dict.fromkeys(children[:3], 1)
        await transfer(children[3])
        await emit(rpc, MAKER, made, child="0x" + children[4].hex())
        await transfer(children[4])
        assert await counts(db) == {**dict.fromkeys(children[:3], 1), children[4]: 1}
    async with indexing(path, database_url, anvil.url) as db:
        await transfer(children[4])
        assert await counts(db) == {**dict.fromkeys(children[:3], 1), children[4]: 2}


async def test_index__contract_and_event_added_later__are_indexed_by_themselves(
    rpc: Rpc, anvil: AnvilChain, database_url: str, tmp_path: Path
) -> None:
    await emitter.install(rpc, [TOKEN, NFT])
    people = {"from": ZERO, "to": ACCOUNTS[0]}
    approval = event_of("T", ABIS["erc20"][1])
    for number in range(5):
        await emit(rpc, TOKEN, ERC20, **people, value=1)
        await emit(rpc, TOKEN, approval, owner=ACCOUNTS[0], spender=ACCOUNTS[1], value=number)
        await emit(rpc, NFT, ERC721, **people, token_id=number)
    first = contract("Token", TOKEN, "erc20", 'events = ["Transfer"]')
    async with indexing(written(tmp_path, first), database_url, anvil.url) as db:
        await mirrored(rpc, db)
        kept = await db.fetch("select ctid, xmin, * from blockchain.fact_token_transfer order by block_number")
    path = written(tmp_path, contract("Token", TOKEN, "erc20") + contract("Nft", NFT, "erc721"))
    async with indexing(path, database_url, anvil.url) as db:
        await noted(db, sources=4)
        await mirrored(rpc, db)
        assert await db.fetch("select ctid, xmin, * from blockchain.fact_token_transfer order by block_number") == kept
        assert await db.fetchval("select count(*) from blockchain.fact_token_approval") == 5
        assert await db.fetchval("select count(*) from blockchain.token_owners") == 5
        assert await db.fetchval("select events_indexed from blockchain.cursors") == 15
        assert await db.fetchval("select balance::int from blockchain.token_balances") == 5
        await emit(rpc, TOKEN, approval, owner=ACCOUNTS[0], spender=ACCOUNTS[1], value=9)
        await mirrored(rpc, db)
        assert await db.fetchval("select count(*) from blockchain.fact_token_approval") == 6
        assert await db.fetchval("select count(*) from blockchain.undecoded_logs") == 0


async def test_index__tokens_of_every_standard__after_reorgs_are_those_of_a_fresh_index(
    rpc: Rpc, anvil: AnvilChain, database_url: str, tmp_path: Path
) -> None:
    random, multi = Random(11), b"\x55" * 20
    await emitter.install(rpc, [TOKEN, NFT, multi])
    single, batch = (event_of("M", one) for one in ABIS["erc1155"][:2])
    text = contract("Token", TOKEN, "erc20") + contract("Nft", NFT, "erc721") + contract("Multi", multi, "erc1155")
    path = written(tmp_path, text)

    async def happen() -> None:
        people = dict(zip(("from", "to"), random.sample([*ACCOUNTS, ZERO], 2), strict=True))
        ids = [random.randint(1, 3) for _ in range(random.randint(0, 3))]
        number = random.randint(1, 3)
        match random.randrange(4):
            case 0:
                await emit(rpc, TOKEN, ERC20, **people, value=random.getrandbits(random.choice((8, 255))))
            case 1:
                await emit(rpc, NFT, ERC721, **people, token_id=number)
            case 2:
                await emit(rpc, multi, single, operator=ZERO, **people, id=number, value=random.randint(0, 9))
            case _:
                await emit(rpc, multi, batch, operator=ZERO, **people, ids=ids, values=[number] * len(ids))

    async def state(db: Connection) -> dict[str, list[str]]:
        tables = await db.fetch("select tablename from pg_tables where tablename ~ '^(token_|fact_)' order by 1")
        rows = 'select to_jsonb(t)::text from blockchain."{}" t order by 1'
        return {name: [row[0] for row in await db.fetch(rows.format(name))] for (name,) in tables}

    async with indexing(path, database_url, anvil.url) as db:
        for _ in range(6):
            for _ in range(10):
                await happen()
            await mirrored(rpc, db)
            await rpc.call("anvil_reorg", random.randint(1, 8), [])
        await happen()
        await mirrored(rpc, db)
        seen = await state(db)
        assert await db.fetchval("select reorg_epoch from blockchain.cursors") >= 5
    await run_statement(
        database_url, "delete from blockchain.{}", "select tablename from pg_tables where schemaname = 'blockchain'"
    )
    async with indexing(path, database_url, anvil.url) as db:
        await mirrored(rpc, db)
        assert await state(db) == seen
        assert all(seen[table] for table in ("token_balances", "token_owners", "token_id_balances"))


async def run_statement(database_url: str, statement: str, names: str) -> None:
    """One statement for each of the names that a query gives."""
    db = await asyncpg.connect(database_url)
    try:
        for (name,) in await db.fetch(names):
            await db.execute(statement.format(name))
    finally:
        await db.close()
