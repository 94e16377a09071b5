"""Caps on imbalance charges, as the contract would count them, from the mirrored ledger."""

import pytest

from indexer.db import Connection
from node.market import service as market
from node.settlement.context import GridAccountShort
from node.settlement.prepare import Prepared, prepare
from node.settlement.service import compute, recompute
from tests.integration.node.settlement.village import (
    CHAIN_ID,
    CONTEXT,
    END,
    GRID,
    PLANT,
    RULES,
    SLOT,
    SLOT_S,
    ZONE,
    account_of,
    meter,
    trade,
)

pytestmark = pytest.mark.integration

PER_SLOT, BUDGET = 100_000_000, 1_000_000_000


async def prepared(db: Connection, *, traded: bool = False) -> Prepared:
    if not traded:
        await trade(db)
    await meter(db)
    settlement_id = await compute(db, CONTEXT, ZONE, SLOT, END)
    assert isinstance(settlement_id, int)
    found = await prepare(db, CONTEXT, await recompute(db, CONTEXT, settlement_id))
    assert found is not None
    return found


async def cap(db: Connection, *, traded: bool = False) -> int:
    found = await prepared(db, traded=traded)
    (charge,) = [item for item in found.charges if item.account == account_of(PLANT)]
    return charge.cap


async def charged(db: Connection, slot: int, money: int, *, sequence: int = 0, block: int = 5) -> None:
    await db.execute(
        "insert into blockchain.settled_imbalances values ($1, $2, 0, 0, $3, $4, to_timestamp($5::bigint), 0, $6, $7)",
        *(CHAIN_ID, block, bytes(32), sequence, slot, account_of(PLANT), -money),
    )


async def rich(db: Connection) -> None:
    await db.execute("update blockchain.account_balances set cash = 10000000000")


async def test_cap__nothing_charged_yet__is_the_budget_of_the_slot(db: Connection) -> None:
    await rich(db)
    assert await cap(db) == PER_SLOT


async def test_cap__cash_is_less__is_the_cash_after_the_fills(db: Connection) -> None:
    found = await prepared(db)
    (charge,) = [item for item in found.charges if item.account == account_of(PLANT)]
    assert charge.cap > 10_000_000
    assert (found.as_of.block_number, found.as_of.block_hash) == (10, bytes(32))


async def test_cap__earlier_slot_charged__leaves_the_slot_budget_whole(db: Connection) -> None:
    await rich(db)
    await charged(db, SLOT - SLOT_S, 60_000_000)
    assert await cap(db) == PER_SLOT


async def test_cap__later_slot_charged_first__shares_its_budget(db: Connection) -> None:
    await rich(db)
    await charged(db, SLOT + SLOT_S, 60_000_000)
    assert await cap(db) == PER_SLOT - 60_000_000


async def test_cap__budget_nearly_used__is_what_is_left(db: Connection) -> None:
    await rich(db)
    await trade(db)
    await charged(db, SLOT - SLOT_S, BUDGET - 7)
    assert await cap(db, traded=True) == 7


async def test_cap__charged_before_the_mandate__does_not_count(db: Connection) -> None:
    await rich(db)
    await charged(db, SLOT - SLOT_S, BUDGET - 7, block=0)
    assert await cap(db) == PER_SLOT


async def test_cap__mandate_ended_before_the_slot__is_nothing(db: Connection) -> None:
    await rich(db)
    await trade(db)
    await meter(db)
    settlement_id = await compute(db, CONTEXT, ZONE, SLOT, END)
    assert isinstance(settlement_id, int)
    outcome = await recompute(db, CONTEXT, settlement_id)
    expire = "update blockchain.mandates set expiry = to_timestamp($1::bigint) where account = $2"
    await db.execute(expire, SLOT, account_of(PLANT))
    last = await prepare(db, CONTEXT, outcome)
    await db.execute(expire, SLOT - 1, account_of(PLANT))
    ended = await prepare(db, CONTEXT, outcome)
    caps = [item.cap for found in (last, ended) if found for item in found.charges if item.account == account_of(PLANT)]
    assert caps == [PER_SLOT, 0]


async def test_prepare__grid_owes_and_has_no_mandate__is_refused(db: Connection) -> None:
    # Nothing is traded: the plant is long by all it fed in, and the grid pays for it.
    await db.execute("delete from blockchain.mandates where account = $1", GRID)
    await market.clear(db, RULES, ZONE, SLOT, SLOT - RULES.gate_lead_s)
    await meter(db)
    settlement_id = await compute(db, CONTEXT, ZONE, SLOT, END)
    assert isinstance(settlement_id, int)
    outcome = await recompute(db, CONTEXT, settlement_id)
    with pytest.raises(GridAccountShort, match="can be charged 0 cash units"):
        await prepare(db, CONTEXT, outcome)
