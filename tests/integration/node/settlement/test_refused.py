"""An account that undoes what a batch was built on costs the slot an attempt, never the slot."""

import logging

import pytest

from indexer import read
from indexer.db import Connection
from node.audit import service as audit
from node.settlement.advance import advance
from node.settlement.refused import ATTEMPTS
from node.settlement.service import compute
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    CHAIN_ID,
    CONTEXT,
    END,
    FLOWS,
    GRID,
    HOME,
    NEIGHBOUR,
    PLANT,
    SLOT,
    ZONE,
    Flow,
    account_of,
    meter,
    trade,
)

pytestmark = pytest.mark.integration


async def ready(db: Connection, flows: dict[int, Flow] = FLOWS) -> None:
    await trade(db)
    await meter(db, flows)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    await ledger.mine(db)


async def refuse(db: Connection, error: str) -> str:
    """One attempt, and the chain refuses it. Returns what is told of it."""
    assert [change.state for change in await advance(db, CONTEXT)] == ["submitted"]
    await ledger.mine(db, fail="settle", error=error)
    (refused,) = await advance(db, CONTEXT)
    assert refused.reason is not None
    return refused.reason


def named(error: str, account: bytes, field: str = "account") -> str:
    return f"{error}({field}=0x{account.hex()}, more=1)"


async def settle(db: Connection) -> None:
    assert [change.state for change in await advance(db, CONTEXT)] == ["submitted"]
    await ledger.mine(db)
    assert [change.state for change in await advance(db, CONTEXT)] == ["settled"]


async def statuses(db: Connection) -> list[str]:
    rows = await db.fetch("select settlement_status from trading.trades order by trade_number")
    return [row["settlement_status"] for row in rows]


async def test_advance__accounts_fall_out_one_after_the_other__are_left_out_and_the_slot_settles(
    db: Connection,
) -> None:
    await ready(db)
    for _ in range(ATTEMPTS - 1):
        assert " of 3: NotSettler()" in await refuse(db, "NotSettler()")
    fallen = (
        (named("OrderVoid", account_of(HOME), "trader"), HOME, f"nonce = {SLOT + 1}"),
        (named("MandateExceeded", account_of(PLANT)), PLANT, "cash = cash"),
        (named("InsufficientCash", account_of(NEIGHBOUR)), NEIGHBOUR, "cash = cash - 9500000"),
    )
    for error, number, what in fallen:
        reason = await refuse(db, error)
        assert reason.endswith(f"an account's own doing and not counted: {error}")
        await db.execute(f"update blockchain.account_balances set {what} where account = $1", account_of(number))

    await settle(db)

    assert await statuses(db) == ["failed", "settled"]
    voids = await db.fetch("select account, reason, as_of_block from trading.settlement_voids")
    assert [tuple(row) for row in voids] == [(account_of(HOME), "nonce-raised", 16)]
    assert await audit.check_and_store(db, None, CONTEXT, ZONE, SLOT) == []


async def test_advance__mandate_replaced_at_every_attempt__is_charged_nothing_and_the_slot_settles(
    db: Connection,
) -> None:
    await ready(db)
    plant = account_of(PLANT)
    for budget in (5_000, 4_999):
        await refuse(db, named("MandateExceeded", plant))
        await db.execute("update blockchain.mandates set budget = $2 where account = $1", plant, budget)
    judged_at, before = await db.fetchval("select block_hash from blockchain.cursors"), await Contract.of(db)

    await settle(db)

    charge = await db.fetchrow(
        "select owed, charged, shortfall, cap, locked from trading.settlement_charges where account = $1", plant
    )
    assert charge is not None
    sold = await db.fetchval("select money from blockchain.settled_orders where trader = $1", plant)
    owed = int(charge["owed"])
    assert owed > 0
    assert tuple(map(int, charge)) == (owed, 0, owed, 0, 10_000_000 + sold)
    assert await statuses(db) == ["settled", "settled"]
    # The auditor comes to the same without knowing of the attempts.
    chain = await Contract.of(db)
    chain.had(judged_at, before)
    assert await audit.check_slot(db, chain, CONTEXT, ZONE, SLOT) == []


async def test_advance__same_account_named_for_ever__fails_the_slot_in_the_end(
    db: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await ready(db)
    error, orders, charges = named("OrderVoid", account_of(HOME), "trader"), 1, 2
    for _ in range(orders + charges + ATTEMPTS):
        reason = await refuse(db, error)
    assert reason == f"attempt {ATTEMPTS} of {ATTEMPTS}: {error}"
    assert await statuses(db) == ["failed", "failed"]
    (last,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert last.getMessage() == f"settlement given up: zone={ZONE} delivery_start={SLOT} attempts=6 counted=3"


async def test_advance__grid_account_named__is_counted(db: Connection) -> None:
    await ready(db)
    assert (await refuse(db, named("InsufficientCash", GRID))).startswith("attempt 1 of 3: ")


async def test_advance__refusal_ahead_of_the_mirror__waits_until_the_mirror_shows_why(db: Connection) -> None:
    await ready(db)
    await refuse(db, named("OrderVoid", account_of(HOME), "trader"))
    head = await read.head(db, CHAIN_ID)
    assert head is not None
    await db.execute("update wallet.outbox set block_number = $1 where kind = 'settle'", head.number + 1)
    assert await advance(db, CONTEXT) == []
    await ledger.mine(db)
    assert [change.state for change in await advance(db, CONTEXT)] == ["submitted"]
