"""Caps on imbalance charges, as the contract would count them, from the mirrored ledger."""

import hashlib
import time

import pytest

from indexer.db import Connection, queries
from node.market import service as market
from node.settlement.context import GridAccountShort
from node.settlement.prepare import Prepared, Turn, prepare
from node.settlement.service import compute
from node.settlement.store import load
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    BUY,
    CHAIN_ID,
    CONTEXT,
    DOMAIN,
    END,
    FLOWS,
    GRID,
    PLANT,
    RULES,
    SLOT,
    SLOT_S,
    ZONE,
    account_of,
    meter,
    offer,
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
    await ledger.mine(db)
    found = await prepare(db, CONTEXT, await load(db, CONTEXT, settlement_id), Turn(settlement_id, [ZONE]))
    assert found is not None
    return found


async def cap(db: Connection, *, traded: bool = False) -> int:
    found = await prepared(db, traded=traded)
    (charge,) = [item for item in found.charges if item.account == account_of(PLANT)]
    return charge.cap


async def charged(
    db: Connection, slot: int, money: int, *, sequence: int = 0, block: int = 5, log_index: int = 0
) -> None:
    await db.execute(
        "insert into blockchain.settled_imbalances values ($1, $2, $8, 0, $3, $4, to_timestamp($5::bigint), 0, $6, $7)",
        *(CHAIN_ID, block, bytes(32), sequence, slot, account_of(PLANT), -money, log_index),
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
    assert (found.at.number, found.at.hash) == (11, hashlib.sha256(bytes(32)).digest())


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
    await ledger.mine(db)
    slot = await load(db, CONTEXT, settlement_id)
    expire = "update blockchain.mandates set expiry = to_timestamp($1::bigint) where account = $2"
    await db.execute(expire, SLOT, account_of(PLANT))
    last = await prepare(db, CONTEXT, slot, Turn(settlement_id, [ZONE]))
    await db.execute(expire, SLOT - 1, account_of(PLANT))
    ended = await prepare(db, CONTEXT, slot, Turn(settlement_id, [ZONE]))
    caps = [item.cap for found in (last, ended) if found for item in found.charges if item.account == account_of(PLANT)]
    assert caps == [PER_SLOT, 0]


async def test_prepare__grid_owes_and_has_no_mandate__is_refused(db: Connection) -> None:
    # Nothing is traded: the plant is long by all it fed in, and the grid pays for it.
    await db.execute("delete from blockchain.mandates where account = $1", GRID)
    await market.clear(db, RULES, ZONE, SLOT, SLOT - RULES.gate_lead_s)
    await meter(db)
    settlement_id = await compute(db, CONTEXT, ZONE, SLOT, END)
    assert isinstance(settlement_id, int)
    slot = await load(db, CONTEXT, settlement_id)
    with pytest.raises(GridAccountShort, match="can be charged 0 cash units"):
        await prepare(db, CONTEXT, slot, Turn(settlement_id, [ZONE]))


async def test_cap__charged_in_the_mandates_block__counts_only_what_came_after(db: Connection) -> None:
    await rich(db)
    await trade(db)
    await db.execute("update blockchain.mandates set updated_block = 5 where account = $1", account_of(PLANT))
    await db.execute(
        "insert into blockchain.fact_settlement_exchange_mandate_set (chain_id, block_number, log_index,"
        " transaction_hash, block_time, emitter, account, budget_per_slot, budget, expiry, nonce)"
        " values ($1, 5, 3, $2, now(), $3, $3, 1, 1, 1, 1)",
        *(CHAIN_ID, bytes(32), account_of(PLANT)),
    )
    await charged(db, SLOT - 2 * SLOT_S, BUDGET - 7, log_index=2)
    assert await cap(db, traded=True) == PER_SLOT


async def test_cap__charged_after_the_mandate_in_its_block__counts(db: Connection) -> None:
    await rich(db)
    await trade(db)
    await db.execute("update blockchain.mandates set updated_block = 5 where account = $1", account_of(PLANT))
    await charged(db, SLOT - 2 * SLOT_S, BUDGET - 7, log_index=2)
    assert await cap(db, traded=True) == 7


async def test_cap__orders_in_another_slot__leaves_their_cash(db: Connection) -> None:
    await trade(db)
    await offer(db, PLANT, BUY, 20_000, 300_000, SLOT + SLOT_S, DOMAIN)
    held = int(await db.fetchval("select locked_cash from trading.orders where energy_wh = 20000"))
    found = await prepared(db, traded=True)
    (charge,) = [item for item in found.charges if item.account == account_of(PLANT)]
    (sold,) = [fill.money for fill in found.judgement.outcome.netting.fills if fill.trader == account_of(PLANT)]
    assert (charge.locked, charge.cap) == (held, 10_000_000 + sold - held)


async def test_prepare__months_of_charges__are_read_in_no_time(db: Connection) -> None:
    # A slot that is not newer than the last charged one looks furthest back.
    accounts = [account_of(number) for number in FLOWS]
    await db.execute(
        "insert into blockchain.settled_imbalances"
        " select $1, s, 0, n, $2, s, to_timestamp($3::bigint + (s - 3000) * 900), 0, a, -5"
        " from generate_series(1, 3000) s, unnest($4::bytea[]) with ordinality as accounts (a, n)",
        *(CHAIN_ID, bytes(32), SLOT, accounts),
    )
    await db.execute("analyze blockchain.settled_imbalances")
    await db.execute("update blockchain.exchange_totals set next_sequence = 3001")
    await trade(db)
    await meter(db)
    settlement_id = await compute(db, CONTEXT, ZONE, SLOT, END)
    assert isinstance(settlement_id, int)
    await ledger.mine(db)
    slot = await load(db, CONTEXT, settlement_id)
    started = time.perf_counter()
    assert await prepare(db, CONTEXT, slot, Turn(settlement_id, [ZONE])) is not None
    assert time.perf_counter() - started < 1


async def test_open_work__a_year_behind__is_found_by_index(db: Connection) -> None:
    await db.execute("set local enable_seqscan = off")
    settlement, audit = queries("node.settlement.service"), queries("node.audit.service")
    earlier = queries("node.settlement.advance")["earlier"]
    searches: list[tuple[str, tuple[object, ...], str]] = [
        (settlement["due"], ([ZONE], END), "auctions_to_settle"),
        (settlement["earlier_open"], ([ZONE], SLOT), "auctions_to_settle"),
        (earlier, (SLOT, True), "auctions_to_settle"),
        (audit["due"], (CHAIN_ID, 20), "settlements_to_audit"),
    ]
    for statement, arguments, index in searches:
        plan = "\n".join(row[0] for row in await db.fetch(f"explain {statement}", *arguments))
        assert index in plan, plan
