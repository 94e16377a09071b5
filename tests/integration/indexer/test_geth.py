"""The pool and the verified reads against geth: another node's answers, tags, limits and WebSocket."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.devnet.process import free_port, listens
from indexer.calls import Caller, Request
from indexer.chain import RpcChain
from indexer.db import connect
from indexer.errors import RpcRefused
from indexer.manifest import Contract, Manifest, Options
from indexer.records import Records
from indexer.rpc import Call, Rpc, decode, open_rpc
from indexer.scope import Scope
from indexer.watch import Watch

GETH = shutil.which("geth")
pytestmark = [pytest.mark.integration, pytest.mark.skipif(GETH is None, reason="no geth on the PATH")]

CHAIN_ID = 1337
ABI = [
    {
        "type": "event",
        "name": "Emitted",
        "inputs": [{"type": "uint256", "name": "a", "indexed": False}],
        "anonymous": True,
    }
]
# Creation code of a contract that logs one word, without topics, whenever it is called.
CREATION = "0x6560206000a0006000526006601af3"


@pytest.fixture
def geth(tmp_path: Path) -> Iterator[int]:
    """A development chain; its HTTP port, the WebSocket is the next one."""
    port = free_port()
    assert GETH is not None
    command = [GETH, "--dev", "--datadir", str(tmp_path / "geth"), "--http", "--http.port", str(port), "--ws"]
    command += ["--http.api", "eth,net,web3,debug", "--ws.api", "eth,net,web3,debug"]
    command += ["--ws.port", str(port + 1), "--port", "0", "--nodiscover", "--authrpc.port", str(free_port())]
    with (tmp_path / "geth.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield port
    process.terminate()
    process.wait(20)


@pytest.fixture(params=["http", "ws"])
async def rpc(request: pytest.FixtureRequest, geth: int) -> AsyncIterator[Rpc]:
    port = geth if request.param == "http" else geth + 1
    async with asyncio.timeout(30):
        while not listens("127.0.0.1", port):
            await asyncio.sleep(0.1)
    async with open_rpc([f"{request.param}://127.0.0.1:{port}"], CHAIN_ID) as client:
        yield client


async def sent(rpc: Rpc, **fields: str) -> dict[str, str]:
    (sender, *_) = await rpc.call("eth_accounts")
    number = await rpc.call("eth_sendTransaction", {"from": sender, "gas": hex(100_000), **fields})
    async with asyncio.timeout(20):
        while True:
            try:
                if (receipt := await rpc.call("eth_getTransactionReceipt", number)) is not None:
                    found: dict[str, str] = receipt
                    return found
            except RpcRefused as refused:
                if "indexing is in progress" not in str(refused):
                    raise
            await asyncio.sleep(0.05)


async def test_history__logs_on_geth__are_read_and_verified(rpc: Rpc) -> None:
    created = await sent(rpc, data=CREATION)
    address = bytes.fromhex(created["contractAddress"][2:])
    for _ in range(5):
        await sent(rpc, to=created["contractAddress"])
    watch = Watch(Manifest(CHAIN_ID, 1, (Contract("Emitter", address, ABI),)))
    chain = RpcChain(rpc)
    tip, first = await chain.look(1, watch)
    assert first is not None
    assert tip.head.number >= 6
    assert tip.finalized <= tip.safe <= tip.head.number
    segments = [segment async for segment in chain.history(1, tip.head.number, watch)]
    logs = [log for segment in segments for log in segment.logs]
    assert [log.address for log in logs] == [address] * 5
    _, last = await chain.look(logs[-1].block_number, watch)
    assert last is not None
    assert len(last.logs) == 1


async def test_records__on_geth__are_typed_and_contracts_read(rpc: Rpc, database_url: str) -> None:
    created = await sent(rpc, data=CREATION)
    called = await sent(rpc, to=created["contractAddress"])
    whole = Scope(everything=True)
    manifest = Manifest(CHAIN_ID, 1, (), Options(whole, whole, whole, whole))
    db = await connect(database_url)
    for number in (int(receipt["blockNumber"], 16) for receipt in (created, called)):
        block = await rpc.call("eth_getBlockByNumber", hex(number), False)
        await db.execute(
            'insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp", transaction_count) '
            "values ($1, $2, $3, $4, to_timestamp($5), $6)",
            CHAIN_ID, number, bytes.fromhex(block["hash"][2:]), bytes.fromhex(block["parentHash"][2:]),
            float(int(block["timestamp"], 16)), len(block["transactions"]),
        )  # fmt: skip
    records = Records(db, rpc, manifest)
    while await records.step():
        pass
    receipts = await db.fetch(
        "select status, gas_used, contract_address from blockchain.receipts order by block_number"
    )
    address = bytes.fromhex(created["contractAddress"][2:])
    assert [tuple(row) for row in receipts] == [
        (1, int(created["gasUsed"], 16), address),
        (1, int(called["gasUsed"], 16), None),
    ]
    traces = await db.fetch("select kind, recipient, reverted from blockchain.call_traces order by block_number")
    assert [tuple(row) for row in traces] == [("create", address, False), ("call", address, False)]
    assert await db.fetchval("select count(*) from blockchain.transactions where gas_price > 0 and type = 2") == 2
    block_hash = bytes.fromhex(called["blockHash"][2:])
    caller = Caller(rpc, CHAIN_ID)
    (found,) = await caller.ask([Request(int(called["blockNumber"], 16), block_hash, address, b"")], 0)
    assert (found.status, found.data) == ("ok", b"")
    await db.close()


async def test_batch__more_than_geth_takes__is_split(rpc: Rpc) -> None:
    results = await rpc.batch([Call("eth_chainId")] * 2_500)
    assert {decode(result, str) for result in results} == {hex(CHAIN_ID)}


async def test_call__unknown_method__is_refused(rpc: Rpc) -> None:
    with pytest.raises(RpcRefused, match="does not exist"):
        await rpc.call("no_such_method")
