"""Transactions, receipts, transfers of coins and call traces of a real node, kept as the manifest asks."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from indexer import db as database
from indexer.errors import RpcRefused
from indexer.manifest import Contract, Manifest, Options
from indexer.record_blocks import NoTraces
from indexer.records import Records
from indexer.rpc import Call, Result, Rpc, open_rpc
from indexer.scope import Scope
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter
from tests.integration.indexer.test_executions import CHAIN, REFUSES, World

pytestmark = pytest.mark.integration

PASSES_ON, STUBBORN, SINK, OTHER = b"\xc1" * 20, b"\xc2" * 20, b"\xdd" * 20, b"\xee" * 20
# Sends the value it is sent to SINK.
FORWARD = "0x600060006000600034" + "73" + SINK.hex() + "5af100"
SENDER = bytes.fromhex(emitter.SENDER[2:])
ALL = Scope(everything=True)


@dataclass
class Chain(World):
    async def create(self, value: int) -> None:
        transaction = {"from": emitter.SENDER, "data": "0x6001600055", "gas": hex(200_000), "value": hex(value)}
        await self.rpc.call("eth_sendTransaction", transaction)

    def records(self, options: Options, rpc: Any = None) -> Records:
        return Records(self.db, rpc or self.rpc, replace(self.manifest, options=options))

    async def rows(self, table: str) -> list[dict[str, Any]]:
        found = await self.db.fetch(f"select * from blockchain.{table} order by block_number, transaction_index")
        return [dict(row) for row in found]


class Without:
    """A node that lacks some methods."""

    def __init__(self, rpc: Rpc, *methods: str) -> None:
        self.rpc = rpc
        self.methods = methods

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        if calls and calls[0].method in self.methods:
            return [RpcRefused(call.method, -32601, "no such method") for call in calls]
        return await self.rpc.batch(calls)


@pytest.fixture
async def chain(database_url: str, anvil: AnvilChain) -> AsyncIterator[Chain]:
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], CHAIN) as rpc:
        for address, code in ((PASSES_ON, FORWARD), (STUBBORN, REFUSES), (SINK, "0x00"), (OTHER, "0x00")):
            await rpc.call("anvil_setCode", "0x" + address.hex(), code)
        await rpc.call("evm_setAutomine", False)
        yield Chain(rpc, db, Manifest(CHAIN, 1, (Contract("PassesOn", PASSES_ON, []),)))
    await db.close()


async def played(chain: Chain) -> int:
    """One block: coins passed on, refused, given to nobody's contract, and given to a new one."""
    await chain.send(PASSES_ON, b"\x01\x02", value=7)
    await chain.send(STUBBORN, b"", value=5)
    await chain.send(OTHER, b"", value=3)
    await chain.create(2)
    return await chain.mine()


async def drained(records: Records) -> None:
    while await records.step():
        pass


def moves(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(r["transaction_index"], r["trace_address"], r["kind"], r["sender"], r["value"]) for r in rows]


async def test_step__everything__is_kept_typed(chain: Chain) -> None:
    number = await played(chain)
    await drained(chain.records(Options(ALL, ALL, ALL, ALL)))
    sent = await chain.rows("transactions")
    assert [(t["block_number"], t["transaction_index"], t["recipient"], t["value"]) for t in sent] == [
        (number, 0, PASSES_ON, 7), (number, 1, STUBBORN, 5), (number, 2, OTHER, 3), (number, 3, None, 2),
    ]  # fmt: skip
    assert {t["sender"] for t in sent} == {SENDER}
    assert (sent[0]["input"], sent[0]["gas_limit"], sent[3]["nonce"]) == (b"\x01\x02", 100_000, 3)
    receipts = await chain.rows("receipts")
    assert [r["status"] for r in receipts] == [1, 0, 1, 1]
    assert [r["transaction_hash"] for r in receipts] == [t["hash"] for t in sent]
    created = receipts[3]["contract_address"]
    assert created is not None
    assert receipts[3]["cumulative_gas_used"] == sum(r["gas_used"] for r in receipts)
    transfers = await chain.rows("native_transfers")
    assert sorted(moves(transfers)) == [
        (0, [], "call", SENDER, 7), (0, [0], "call", PASSES_ON, 7), (2, [], "call", SENDER, 3),
        (3, [], "create", SENDER, 2),
    ]  # fmt: skip
    assert {r["recipient"] for r in transfers} == {PASSES_ON, SINK, OTHER, created}
    traces = await chain.rows("call_traces")
    told = [(t["transaction_index"], t["trace_address"], t["reverted"]) for t in traces]
    assert sorted(told) == [(0, [], False), (0, [0], False), (1, [], True), (2, [], False), (3, [], False)]
    refused = traces[told.index((1, [], True))]
    assert refused["error"]
    assert (refused["sender"], refused["recipient"], refused["value"]) == (SENDER, STUBBORN, 5)


async def test_step__contracts_alone__keeps_what_concerns_them(chain: Chain) -> None:
    await played(chain)
    own = Scope(contracts=True)
    await drained(chain.records(Options(own, own, own)))
    assert [t["recipient"] for t in await chain.rows("transactions")] == [PASSES_ON]
    assert [r["transaction_index"] for r in await chain.rows("receipts")] == [0]
    assert moves(await chain.rows("native_transfers")) == [(0, [], "call", SENDER, 7)]


async def test_step__addresses__keeps_what_is_from_or_to_them(chain: Chain) -> None:
    await played(chain)
    some = Scope(addresses=frozenset({SINK, STUBBORN}))
    await drained(chain.records(Options(transactions=some, native_transfers=some, traces=some)))
    assert [t["recipient"] for t in await chain.rows("transactions")] == [STUBBORN]
    assert moves(await chain.rows("native_transfers")) == [(0, [0], "call", PASSES_ON, 7)]
    assert {t["recipient"] for t in await chain.rows("call_traces")} == {SINK, STUBBORN}


async def test_step__node_without_block_receipts__asks_for_each(chain: Chain) -> None:
    await played(chain)
    await drained(chain.records(Options(receipts=ALL), Without(chain.rpc, "eth_getBlockReceipts")))
    assert [r["status"] for r in await chain.rows("receipts")] == [1, 0, 1, 1]


async def test_step__node_with_trace_block_alone__tells_the_same_calls(chain: Chain) -> None:
    await played(chain)
    await drained(chain.records(Options(traces=ALL), Without(chain.rpc, "debug_traceBlockByHash")))
    flat = await chain.rows("call_traces")
    await chain.db.execute("delete from blockchain.call_traces; delete from blockchain.follower_sources")
    await drained(chain.records(Options(traces=ALL)))
    traced = await chain.rows("call_traces")
    same = ("transaction_index", "trace_address", "kind", "sender", "recipient", "value", "input", "output", "reverted")
    assert sorted([[row[name] for name in same] for row in flat], key=repr) == sorted(
        [[row[name] for name in same] for row in traced], key=repr
    )
    assert len(flat) == 5


async def test_step__node_that_does_not_trace__says_so_by_the_methods_names(chain: Chain) -> None:
    await played(chain)
    records = chain.records(Options(traces=ALL), Without(chain.rpc, "debug_traceBlockByHash", "trace_block"))
    with pytest.raises(NoTraces, match="debug_traceBlockByHash: no such method; trace_block: no such method"):
        await records.step()
    assert await chain.rows("call_traces") == []


async def test_step__new_option__is_kept_from_the_first_block_on(chain: Chain) -> None:
    await played(chain)
    await drained(chain.records(Options(transactions=Scope(addresses=frozenset({OTHER})))))
    assert len(await chain.rows("transactions")) == 1
    await drained(chain.records(Options(transactions=ALL, receipts=ALL)))
    assert len(await chain.rows("transactions")) == len(await chain.rows("receipts")) == 4


async def test_step__answer_too_large__asks_for_fewer_blocks(chain: Chain) -> None:
    for _ in range(3):
        await chain.send(OTHER, b"")
        await chain.mine()

    class Narrow(Without):
        async def batch(self, calls: Sequence[Call]) -> list[Result]:
            if len(calls) > 1:
                return [RpcRefused(call.method, -32000, "response too large") for call in calls]
            return await self.rpc.batch(calls)

    await drained(chain.records(Options(transactions=ALL), Narrow(chain.rpc)))
    assert [t["block_number"] for t in await chain.rows("transactions")] == [1, 2, 3]


async def test_step__reorganisation__takes_rows_and_cursor_back(chain: Chain) -> None:
    for _ in range(3):
        await chain.send(PASSES_ON, b"", value=1)
        await chain.mine()
    records = chain.records(Options(ALL, ALL, ALL, ALL))
    await drained(records)
    await chain.orphan(2)
    await chain.rpc.call("anvil_rollback", 2)
    for table in ("transactions", "receipts", "native_transfers", "call_traces"):
        assert {row["block_number"] for row in await chain.rows(table)} == {1}, table
    await chain.send(OTHER, b"", value=9)
    await chain.mine()
    await drained(records)
    assert [(t["block_number"], t["recipient"]) for t in await chain.rows("transactions")] == [
        (1, PASSES_ON),
        (2, OTHER),
    ]
