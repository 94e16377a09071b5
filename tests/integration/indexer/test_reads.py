"""Contracts read at blocks: typed rows, few requests, pruned state told, and handlers that read."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from eth_abi.abi import encode

from indexer import db as database
from indexer import facts, multicall
from indexer.call_cache import CallCache
from indexer.calls import NO_STATE, OK, REVERTED, Caller, NoState, Request
from indexer.context import ReadFailed
from indexer.db import Connection
from indexer.handlers import Batch, BigInt, Context, Entities, HandlerFailed, Handlers, Running
from indexer.manifest import Manifest, Options, Read
from indexer.reads import Reads
from indexer.rpc import open_rpc
from indexer.sync import NothingNew, Sync
from tests.integration.conftest import AnvilChain
from tests.integration.indexer.fake_chain import CHAIN_ID, FakeChain, shipped_manifest
from tests.integration.indexer.fake_node import FakeNode

pytestmark = pytest.mark.integration

MANIFEST = replace(
    shipped_manifest(),
    reads=(
        Read("EnergyToken", "totalSupply", every=4),
        Read("EnergyToken", "balanceOf", ("$to",), on="EnergyToken.Transfer"),
    ),
)
HEIGHT = 30


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await database.connect(database_url)
    async with connection.transaction():
        await facts.ensure(connection, MANIFEST)
    yield connection
    await connection.close()


async def mirrored(db: Connection, chain: FakeChain, manifest: Manifest = MANIFEST) -> Sync:
    sync = Sync(db, chain, manifest)
    while not isinstance(await sync.step(), NothingNew):
        pass
    return sync


async def read(db: Connection, node: FakeNode, manifest: Manifest = MANIFEST, cache: CallCache | None = None) -> Reads:
    reads = Reads(db, Caller(node, CHAIN_ID, cache), manifest)
    await reads.prepare()
    while await reads.step():
        pass
    return reads


async def supplies(db: Connection) -> dict[int, tuple[str, int | None]]:
    rows = await db.fetch("select block_number, status, value from blockchain.read_energy_token_total_supply")
    return {number: (status, value) for number, status, value in rows}


async def test_step__every_so_many_blocks__keeps_typed_values(db: Connection) -> None:
    chain = FakeChain(Random(4), MANIFEST)
    chain.mine(HEIGHT)
    await mirrored(db, chain)
    node = FakeNode(chain)
    await read(db, node)
    found = await supplies(db)
    assert sorted(found) == [4, 8, 12, 16, 20, 24, 28]
    assert {status for status, _ in found.values()} <= {OK, REVERTED}
    assert all((value is not None) is (status == OK) for status, value in found.values())
    transfers = await db.fetch('select block_number, "to" from blockchain.fact_energy_token_transfer')
    kept = await db.fetch("select block_number, account from blockchain.read_energy_token_balance_of")
    assert sorted(map(tuple, kept)) == sorted({tuple(row) for row in transfers})
    assert kept


async def test_step__pruned_node__tells_and_an_archive_node_fills_it_in(db: Connection) -> None:
    chain = FakeChain(Random(4), MANIFEST)
    chain.mine(HEIGHT)
    await mirrored(db, chain)
    await read(db, FakeNode(chain, pruned_below=15))
    pruned = await supplies(db)
    assert {number for number, (status, _) in pruned.items() if status == NO_STATE} == {4, 8, 12}
    await read(db, FakeNode(chain))
    assert not any(status == NO_STATE for status, _ in (await supplies(db)).values())
    assert {n: v for n, v in pruned.items() if n > 15}.items() <= (await supplies(db)).items()


async def test_step__other_function_under_the_name__is_read_anew(db: Connection) -> None:
    chain = FakeChain(Random(4), MANIFEST)
    chain.mine(HEIGHT)
    await mirrored(db, chain)
    await read(db, FakeNode(chain))
    seldom = replace(MANIFEST, reads=(Read("EnergyToken", "totalSupply", every=10),))
    await read(db, FakeNode(chain), seldom)
    assert sorted(await supplies(db)) == [10, 20, 30]
    await read(db, FakeNode(chain))
    assert sorted(await supplies(db)) == [4, 8, 12, 16, 20, 24, 28]


async def test_ask__final_blocks__come_from_the_disk_the_next_time(db: Connection, tmp_path: Path) -> None:
    chain = FakeChain(Random(4), MANIFEST)
    chain.mine(HEIGHT)
    requests = [Request(b.number, b.hash, b"\x01" * 20, bytes([b.number])) for b in chain.blocks]
    first = await Caller(FakeNode(chain), CHAIN_ID, CallCache(tmp_path)).ask(requests, 20)
    node = FakeNode(chain)
    assert await Caller(node, CHAIN_ID, CallCache(tmp_path)).ask(requests, 20) == first
    asked = {call.params[1]["blockHash"] for call in node.asked if call.method == "eth_call"}
    assert asked == {"0x" + block.hash.hex() for block in chain.blocks[21:]}


@dataclass(slots=True)
class Seen:
    block: BigInt
    supply: int = 0
    transfers: BigInt = 0


def handlers_with(context_at: bool) -> Handlers:
    handlers = Handlers()
    handlers.entity("block")(Seen)

    @handlers.on("EnergyToken.Transfer", "Chain.Interval", by_block=not context_at)
    async def note(batch: Batch, entities: Entities, context: Context) -> None:
        numbers = sorted(set(batch.blocks))
        found = await entities.load(Seen, numbers)
        values = await asyncio.gather(
            *(context.read("EnergyToken", "totalSupply", at=number if context_at else None) for number in numbers)
        )
        for number, value in zip(numbers, values, strict=True):
            found[number].supply = value or 0
            found[number].transfers += sum(
                b == number and e == "EnergyToken.Transfer" for b, e in zip(batch.blocks, batch.events, strict=True)
            )
        entities.save(found.values())

    return handlers


@pytest.mark.parametrize("context_at", [True, False])
async def test_read__of_a_handler__is_at_its_block_and_in_few_requests(db: Connection, context_at: bool) -> None:
    manifest = replace(MANIFEST, options=Options(block_interval=3))
    chain = FakeChain(Random(4), manifest)
    chain.mine(100)
    node = FakeNode(chain)
    running = Running(handlers_with(context_at), Caller(node, CHAIN_ID))
    async with db.transaction():
        await facts.ensure(db, manifest)
        await running.prepare(db, manifest)
    sync = Sync(db, chain, manifest, (running,))
    while not isinstance(await sync.step(), NothingNew):
        pass
    seen = {row["block"]: (row["supply"], row["transfers"]) for row in await db.fetch("select * from entities.seen")}
    assert {number for number in range(3, 101) if number % 3 == 0} <= seen.keys()
    caller = Caller(FakeNode(chain), CHAIN_ID)
    token = manifest.named("EnergyToken")[0].address
    selector = bytes.fromhex("18160ddd")
    requests = [Request(n, chain.blocks[n].hash, token, selector) for n in seen]
    expected = [int.from_bytes(outcome.data, "big") for outcome in await caller.ask(requests, 0)]
    assert [supply for supply, _ in seen.values()] == expected
    count = await db.fetchval("select count(*) from blockchain.fact_energy_token_transfer")
    assert sum(transfers for _, transfers in seen.values()) == count
    await db.execute("update entities.made_by set digest = ''")
    async with db.transaction():
        await running.prepare(db, manifest)  # made again from the facts
    again = {row["block"]: (row["supply"], row["transfers"]) for row in await db.fetch("select * from entities.seen")}
    assert again == seen


async def test_read__pruned_state__is_an_outage_not_a_fault_of_the_handler(db: Connection) -> None:
    manifest = replace(MANIFEST, options=Options(block_interval=3))
    chain = FakeChain(Random(4), manifest)
    chain.mine(40)
    running = Running(handlers_with(True), Caller(FakeNode(chain, pruned_below=20), CHAIN_ID))
    async with db.transaction():
        await facts.ensure(db, manifest)
        await running.prepare(db, manifest)
    with pytest.raises(NoState, match=r"no state of block \d+"):
        await Sync(db, chain, manifest, (running,)).step()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"contract": "Nobody", "function": "x"}, "Nobody is not in the manifest"),
        ({"contract": "EnergyToken", "function": "x"}, "no function x"),
        ({"contract": "EnergyToken", "function": "totalSupply", "at": 10**6}, "not one of the batch's"),
        ({"contract": "EnergyToken", "function": "totalSupply"}, "say at="),
    ],
)
async def test_read__what_cannot_be__is_told(db: Connection, call: Mapping[str, object], told: str) -> None:
    chain = FakeChain(Random(4), MANIFEST)
    chain.mine(40)
    handlers = Handlers()

    @handlers.on("EnergyToken.Transfer")
    async def ask(batch: Batch, entities: Entities, context: Context) -> None:
        await context.read(**call)  # type: ignore[arg-type]

    running = Running(handlers, Caller(FakeNode(chain), CHAIN_ID))
    async with db.transaction():
        await running.prepare(db, MANIFEST)
    with pytest.raises(HandlerFailed, match=told) as caught:
        await Sync(db, chain, MANIFEST, (running,)).step()
    assert isinstance(caught.value.__cause__, ReadFailed)


# What Multicall3 returns for three calls of which the second failed, whatever it is asked.
def canned() -> str:
    answer = encode(
        ["(bool,bytes)[]"], [[(True, b"\x05".rjust(32, b"\0")), (False, b""), (True, b"\x07".rjust(32, b"\0"))]]
    )
    code = f"61{len(answer):04x}600e60003961{len(answer):04x}6000f3"
    assert len(code) == 28
    return "0x" + code + answer.hex()


async def test_ask__multicall_deployed__is_one_call_and_failed_parts_are_asked_again(anvil: AnvilChain) -> None:
    async with open_rpc([anvil.url], anvil.chain_id) as rpc:
        await rpc.call("anvil_setCode", "0x" + multicall.ADDRESS.hex(), canned())
        await rpc.call("anvil_setCode", "0x" + "c2" * 20, "0x60006000fd")
        await rpc.call("anvil_mine", "0x1")
        head = await rpc.call("eth_getBlockByNumber", "latest", False)
        requests = [
            Request(int(head["number"], 16), bytes.fromhex(head["hash"][2:]), bytes([number]) * 20, b"")
            for number in (0xC1, 0xC2, 0xC3)
        ]
        found = await Caller(rpc, anvil.chain_id).ask(requests, 0)
    assert [(one.status, int.from_bytes(one.data, "big")) for one in found] == [(OK, 5), (REVERTED, 0), (OK, 7)]
