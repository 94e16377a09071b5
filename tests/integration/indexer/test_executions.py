"""Calls to contracts on a real node: kept once, with their outcome, whatever the chain does."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from contracts.typed_data import checksum
from indexer import db as database
from indexer.db import Connection
from indexer.errors import RpcRefused
from indexer.executions import BlockGone, Executions
from indexer.manifest import Contract, Manifest
from indexer.rpc import Call, Result, Rpc, open_rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter

pytestmark = pytest.mark.integration

CHAIN = 31337
WILLING, STUBBORN, FOREIGN = b"\xc1" * 20, b"\xc2" * 20, b"\xc3" * 20
ALICE = b"\xaa" * 20
# Fails, and returns its calldata after the selector.
REFUSES = "0x6004360380600460003760" + "00fd"
ABI: list[dict[str, Any]] = [
    {"type": "function", "name": "move", "inputs": [
        {"name": "to", "type": "address"}, {"name": "amount", "type": "uint256"}]},
    {"type": "function", "name": "fail", "inputs": []},
    {"type": "error", "name": "Short", "inputs": [{"name": "have", "type": "uint256"}]},
]  # fmt: skip
MOVE = keccak(b"move(address,uint256)")[:4] + encode(["address", "uint256"], [ALICE, 5])
FAIL = keccak(b"fail()")[:4]
SHORT = keccak(b"Short(uint256)")[:4] + encode(["uint256"], [3])


@dataclass
class World:
    rpc: Rpc
    db: Connection
    manifest: Manifest

    async def send(self, contract: bytes, data: bytes, value: int = 0) -> bytes:
        transaction = {
            "from": emitter.SENDER,
            "to": "0x" + contract.hex(),
            "data": "0x" + data.hex(),
            "gas": hex(100_000),
            "value": hex(value),
        }
        sent: str = await self.rpc.call("eth_sendTransaction", transaction)
        return bytes.fromhex(sent[2:])

    async def mine(self) -> int:
        """A block of all that was sent, mirrored; its number."""
        await emitter.mine(self.rpc)
        block = await self.rpc.call("eth_getBlockByNumber", "latest", False)
        number = int(block["number"], 16)
        await self.db.execute(
            'insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp", transaction_count) '
            "values ($1, $2, $3, $4, to_timestamp($5), $6)",
            CHAIN,
            number,
            bytes.fromhex(block["hash"][2:]),
            bytes.fromhex(block["parentHash"][2:]),
            float(int(block["timestamp"], 16)),
            len(block["transactions"]),
        )
        return number

    async def orphan(self, first: int) -> None:
        """The mirror removes the blocks from one on, as a reorganisation does."""
        await self.db.execute("delete from blockchain.blocks where number >= $1", first)

    async def kept(self) -> list[dict[str, Any]]:
        rows = await self.db.fetch(
            "select * from blockchain.contract_executions order by block_number, transaction_index"
        )
        return [dict(row) for row in rows]

    async def cursor(self) -> int:
        found: int = await self.db.fetchval("select block_number from blockchain.cursors where stream = 'executions'")
        return found

    def executions(self, rpc: Any = None) -> Executions:
        return Executions(self.db, rpc or self.rpc, self.manifest)


@pytest.fixture
async def world(database_url: str, anvil: AnvilChain) -> AsyncIterator[World]:
    contracts = tuple(
        Contract(name, address, ABI, executions=name != "Foreign")
        for name, address in (("Willing", WILLING), ("Stubborn", STUBBORN), ("Foreign", FOREIGN))
    )
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], CHAIN) as rpc:
        for address, code in ((WILLING, "0x00"), (STUBBORN, REFUSES), (FOREIGN, "0x00")):
            await rpc.call("anvil_setCode", "0x" + address.hex(), code)
        await rpc.call("evm_setAutomine", False)
        yield World(rpc, db, Manifest(CHAIN, 1, contracts))
    await db.close()


async def drained(executions: Executions) -> None:
    await executions.prepare()
    while await executions.step():
        pass


async def test_step__calls_of_all_outcomes__are_kept_with_why(world: World) -> None:
    sent = await world.send(WILLING, MOVE, value=7)
    await world.send(FOREIGN, MOVE)
    await world.send(STUBBORN, FAIL + SHORT)
    await world.send(STUBBORN, b"\1\2\3\4")
    number = await world.mine()
    await drained(world.executions())
    moved, refused, unknown = await world.kept()
    assert (moved["transaction_hash"], moved["contract"], moved["block_number"]) == (sent, WILLING, number)
    assert (moved["function_name"], moved["status"], moved["value"]) == ("move", "success", 7)
    assert moved["arguments"] == {"to": checksum(ALICE), "amount": "5"}
    assert (moved["input"], moved["selector"], moved["nonce"]) == (MOVE, MOVE[:4], 0)
    assert moved["caller_address"] == emitter.SENDER
    assert 21_000 < moved["gas_used"] < moved["gas_limit"] == 100_000
    assert moved["gas_price"] > 0
    assert moved["revert_reason"] is None
    assert (refused["function_name"], refused["status"], refused["revert_reason"]) == (
        "fail",
        "reverted",
        "Short(have=3)",
    )
    assert (refused["revert_data"], refused["revert_source"]) == (SHORT, "trace")
    assert (unknown["function_name"], unknown["arguments"], unknown["transaction_index"]) == (None, None, 3)
    assert await world.cursor() == number


class Plain:
    """A node that does not trace."""

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        if calls and calls[0].method == "debug_traceTransaction":
            return [RpcRefused(call.method, -32601, "no such method") for call in calls]
        return await self.rpc.batch(calls)


async def test_step__node_that_does_not_trace__replays(world: World) -> None:
    await world.send(STUBBORN, FAIL + SHORT)
    await world.mine()
    await drained(world.executions(Plain(world.rpc)))
    (refused,) = await world.kept()
    assert (refused["revert_reason"], refused["revert_source"]) == ("Short(have=3)", "replay")


async def test_step__reorganisation__takes_calls_and_cursor_back_at_once(world: World) -> None:
    for _ in range(3):
        await world.send(WILLING, MOVE)
        await world.mine()
    executions = world.executions()
    await drained(executions)
    await world.orphan(2)
    assert [row["block_number"] for row in await world.kept()] == [1]
    assert await world.cursor() == 1
    await world.rpc.call("anvil_rollback", 2)
    await world.send(STUBBORN, FAIL)
    await world.mine()
    await drained(executions)
    assert [(row["block_number"], row["contract"]) for row in await world.kept()] == [(1, WILLING), (2, STUBBORN)]


async def test_step__block_that_the_chain_has_lost__writes_nothing(world: World) -> None:
    await world.send(WILLING, MOVE)
    await world.mine()
    await world.rpc.call("anvil_rollback", 1)
    executions = world.executions()
    await executions.prepare()
    with pytest.raises(BlockGone):
        await executions.step()
    assert (await world.kept(), await world.cursor()) == ([], 0)


async def test_step__reorganisation_while_it_fetches__writes_nothing(world: World) -> None:
    await world.send(WILLING, MOVE)
    await world.mine()

    class Slow(Plain):
        async def batch(self, calls: Sequence[Call]) -> list[Result]:
            answers = await self.rpc.batch(calls)
            await world.orphan(1)
            return answers

    executions = world.executions(Slow(world.rpc))
    await executions.prepare()
    with pytest.raises(BlockGone):
        await executions.step()
    assert (await world.kept(), await world.cursor()) == ([], 0)


async def test_prepare__contract_that_is_new__is_followed_from_its_first_block(world: World) -> None:
    await world.send(FOREIGN, MOVE)
    await world.send(WILLING, MOVE)
    await world.mine()
    await world.mine()
    await drained(world.executions())
    assert await world.cursor() == 2
    everyone = tuple(Contract(c.name, c.address, ABI, executions=True) for c in world.manifest.contracts)
    world.manifest = Manifest(CHAIN, 1, everyone)
    await drained(world.executions())
    assert [row["contract"] for row in await world.kept()] == [FOREIGN, WILLING]
    assert await world.cursor() == 2


async def test_prepare__repeated__goes_on_where_it_was(world: World) -> None:
    await world.send(WILLING, MOVE)
    await world.mine()
    await drained(world.executions())
    await drained(world.executions())
    assert len(await world.kept()) == 1
