"""Mirrored balances against contracts on a real node: equal, different, and what cannot be compared."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from indexer import db as database
from indexer import reconcile
from indexer.db import Connection
from indexer.errors import RpcRefused
from indexer.reconcile import NotPossible, Report
from indexer.rpc import Call, Result, Rpc, open_rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter

pytestmark = pytest.mark.integration

CHAIN = 31337
VAULT, TOKEN, YOUNG = b"\xe0" * 20, b"\xd0" * 20, b"\xd1" * 20
FIRST = 3
"""The block at which the mirror begins."""
ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20
# Returns the three words in storage at its argument and after it: for accountOf, balanceOf and totalSupply alike.
STORE = "0x60043580546000528060010154602052600201546040526060" + "6000f3"


@dataclass
class World:
    """A node with three contracts, and a mirror of them in the database."""

    rpc: Rpc
    db: Connection

    async def put(self, contract: bytes, account: bytes, *words: int) -> None:
        for at, word in enumerate(words):
            slot = hex(int.from_bytes(account, "big") + at)
            await self.rpc.call(
                "anvil_setStorageAt", "0x" + contract.hex(), slot, "0x" + word.to_bytes(32, "big").hex()
            )

    async def mine(self, finalized: int | None = None) -> None:
        """A block, and the mirror stands at it."""
        await emitter.mine(self.rpc)
        block = await self.rpc.call("eth_getBlockByNumber", "latest", False)
        number, block_hash = int(block["number"], 16), bytes.fromhex(block["hash"][2:])
        await self.db.execute(
            'insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp") '
            "values ($1, $2, $3, $3, now())",
            CHAIN,
            number,
            block_hash,
        )
        await self.db.execute(
            "insert into blockchain.cursors (chain_id, block_number, block_hash, finalized_number) "
            "values ($1, $2, $3, $4) on conflict (chain_id, stream) do update set block_number = $2, block_hash = $3, "
            "finalized_number = $4",
            CHAIN,
            number,
            block_hash,
            number if finalized is None else finalized,
        )

    async def vault(self, account: bytes, cash: int, energy_wh: int, nonce: int, block: int) -> None:
        await self.db.execute(
            "insert into blockchain.account_balances (chain_id, account, cash, energy_wh, nonce, updated_block) "
            "values ($1, $2, $3, $4, $5, $6) on conflict (chain_id, account) do update "
            "set cash = $3, energy_wh = $4, nonce = $5, updated_block = $6",
            CHAIN,
            account,
            cash,
            energy_wh,
            nonce,
            block,
        )

    async def holds(self, token: bytes, account: bytes, balance: int, block: int) -> None:
        await self.db.execute(
            "insert into blockchain.token_balances (chain_id, token, account, balance, updated_block) "
            "values ($1, $2, $3, $4, $5) on conflict (chain_id, token, account) do update "
            "set balance = $4, updated_block = $5",
            CHAIN,
            token,
            account,
            balance,
            block,
        )

    async def audit(self) -> Report:
        async with self.db.transaction(isolation="repeatable_read", readonly=True):
            return await reconcile.audit(self.db, self.rpc, CHAIN)


@pytest.fixture
async def world(database_url: str, anvil: AnvilChain) -> AsyncIterator[World]:
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], CHAIN) as rpc:
        world = World(rpc, db)
        for contract, name in ((VAULT, "SettlementExchange"), (TOKEN, "PaymentToken"), (YOUNG, "Young")):
            await rpc.call("anvil_setCode", "0x" + contract.hex(), STORE)
            await db.execute(
                "insert into blockchain.smart_contracts (chain_id, address, name, start_block) values ($1, $2, $3, $4)",
                CHAIN,
                contract,
                name,
                FIRST - 1 if contract != YOUNG else FIRST + 2,
            )
        await emitter.mine(rpc, FIRST - 1)
        yield world
    await db.close()


async def filled(world: World) -> None:
    """The first block: both accounts on chain and in the mirror."""
    await world.put(VAULT, ALICE, 100, 7, 3)
    await world.put(VAULT, BOB, 50, 0, 0)
    await world.put(TOKEN, ALICE, 10)
    await world.put(TOKEN, BOB, 5)
    await world.put(TOKEN, b"\0", 15)
    await world.mine()
    await world.vault(ALICE, 100, 7, 3, FIRST)
    await world.vault(BOB, 50, 0, 0, FIRST)
    await world.holds(TOKEN, ALICE, 10, FIRST)
    await world.holds(TOKEN, BOB, 5, FIRST)


async def test_audit__mirror_that_is_right__is_equal(world: World) -> None:
    await filled(world)
    report = await world.audit()
    assert (report.outcome, report.compared, report.finality, report.pin.number) == ("equal", 9, "finalized", FIRST)
    assert report.notes == []


async def test_audit__wrong_values__are_each_told(world: World) -> None:
    await filled(world)
    await world.vault(ALICE, 101, 6, 3, FIRST)
    await world.holds(TOKEN, BOB, 4, FIRST)
    report = await world.audit()
    found = {(d.contract, d.account, d.quantity): (d.mirrored, d.on_chain) for d in report.differences}
    assert found == {
        (VAULT, ALICE, "cash"): (101, 100),
        (VAULT, ALICE, "energy_wh"): (6, 7),
        (TOKEN, BOB, "balance"): (4, 5),
        (TOKEN, None, "total_supply"): (14, 15),
    }
    assert (report.outcome, report.different) == ("different", 4)


async def test_audit__account_the_mirror_never_heard_of__shows_in_the_supply(world: World) -> None:
    await filled(world)
    await world.db.execute("delete from blockchain.token_balances where account = $1", BOB)
    report = await world.audit()
    assert [(d.account, d.quantity, d.mirrored, d.on_chain) for d in report.differences] == [
        (None, "total_supply", 10, 15)
    ]


async def test_audit__account_that_moved_since_the_final_block__is_compared_at_the_head(world: World) -> None:
    await filled(world)
    await emitter.mine(world.rpc)
    await world.put(VAULT, BOB, 60, 0, 0)
    await world.mine(finalized=FIRST)
    await world.vault(BOB, 60, 0, 0, FIRST + 1)
    report = await world.audit()
    assert (report.outcome, report.compared, report.pin.number) == ("equal", 9, FIRST)
    await world.vault(BOB, 60, 0, 0, FIRST)  # a mirror that had it at the first block already would be wrong
    assert [(d.account, d.quantity, d.block_number) for d in (await world.audit()).differences] == [
        (BOB, "cash", FIRST)
    ]


async def test_audit__token_with_a_history_before_the_mirror__is_left_out_and_said_so(world: World) -> None:
    await filled(world)
    await world.put(YOUNG, b"\0", 1_000)
    await world.mine()
    await world.mine()
    await world.holds(YOUNG, ALICE, -5, FIRST + 2)
    report = await world.audit()
    assert (report.outcome, report.compared) == ("equal", 9)
    assert "had a supply of 1000 before" in report.notes[0]


async def test_audit__contract_that_does_not_answer__is_no_proof(world: World) -> None:
    await filled(world)
    await world.rpc.call("anvil_setCode", "0x" + TOKEN.hex(), "0x60006000fd")
    await world.mine()
    for account in (ALICE, BOB):
        await world.holds(TOKEN, account, 1, FIRST + 1)
    report = await world.audit()
    assert (report.outcome, report.compared, report.unanswered) == ("impossible", 6, 3)
    assert any("does not answer" in note for note in report.notes)


class Pruned:
    """A node that keeps the state of no block but one."""

    def __init__(self, rpc: Rpc, kept: set[str], calls_left: int = 10**9) -> None:
        self.rpc, self.kept, self.calls_left = rpc, kept, calls_left

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        self.calls_left -= 1
        answers = await self.rpc.batch(calls)
        return [self._answer(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _answer(self, call: Call, answer: Result) -> Result:
        block: Any = call.params[-1]
        is_kept = isinstance(block, dict) and block["blockHash"] in self.kept and self.calls_left > 0
        return answer if is_kept else RpcRefused(call.method, -32000, "missing trie node")


async def hash_of(world: World, number: int) -> str:
    return str((await world.rpc.call("eth_getBlockByNumber", hex(number), False))["hash"])


async def test_audit__node_without_the_final_state__compares_at_the_head_and_says_so(world: World) -> None:
    await filled(world)
    await world.mine(finalized=FIRST)
    node = Pruned(world.rpc, {await hash_of(world, FIRST + 1)})
    report = await reconcile.audit(world.db, node, CHAIN)
    assert (report.outcome, report.finality, report.pin.number, report.compared) == ("equal", "latest", FIRST + 1, 9)
    assert f"no state of the finalised block {FIRST}: compared at block {FIRST + 1}" in report.notes[0]


async def test_audit__node_without_any_state__is_not_possible(world: World) -> None:
    with pytest.raises(NotPossible, match="nothing is mirrored"):
        await world.audit()
    await filled(world)
    with pytest.raises(NotPossible, match=f"no state of block {FIRST}"):
        await reconcile.audit(world.db, Pruned(world.rpc, set()), CHAIN)


async def test_audit__state_lost_on_the_way__is_not_possible(world: World) -> None:
    await filled(world)
    node = Pruned(world.rpc, {await hash_of(world, FIRST)}, calls_left=3)
    report = await reconcile.audit(world.db, node, CHAIN)
    assert (report.outcome, report.impossible_at) == ("impossible", FIRST)


async def test_sample__over_and_over__finds_a_wrong_account(world: World) -> None:
    await filled(world)
    assert (await reconcile.sample(world.db, world.rpc, CHAIN, 1)).outcome == "equal"
    await world.holds(TOKEN, BOB, 6, FIRST)
    reports = [await reconcile.sample(world.db, world.rpc, CHAIN, 1) for _ in range(40)]
    assert {report.outcome for report in reports} == {"equal", "different"}
    assert all(report.compared == 4 for report in reports)


async def test_store__result__is_kept_with_its_differences(world: World) -> None:
    await filled(world)
    await world.vault(ALICE, 1, 7, 3, FIRST)
    report = await world.audit()
    async with world.db.transaction():
        check_id = await reconcile.store(world.db, CHAIN, report)
    row = await world.db.fetchrow(
        "select outcome, compared, differences, mirrored, difference, d.block_number from blockchain.balance_checks c "
        "join blockchain.balance_differences d using (check_id) where check_id = $1",
        check_id,
    )
    assert row is not None
    assert tuple(row) == ("different", 9, 1, 1, -99, FIRST)
