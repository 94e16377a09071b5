"""A slot that takes several batches: one after the other, each judged in its turn, and what is settled stands."""

from dataclasses import replace

import pytest

from indexer.db import Connection
from node.audit import service as audit
from node.settlement import reads
from node.settlement.advance import PATIENCE_S, Change, advance
from node.settlement.refused import ATTEMPTS
from node.settlement.service import compute
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    CONTEXT,
    END,
    GRID,
    HOME,
    NEIGHBOUR,
    SLOT,
    SLOT_S,
    ZONE,
    account_of,
    meter,
    meter_next,
    trade,
)

pytestmark = pytest.mark.integration

SMALL = replace(CONTEXT, most_entries=2)
"""One trade a batch, and one account's imbalance: six batches for the village."""


async def computed(db: Connection, slot: int = SLOT) -> None:
    assert isinstance(await compute(db, SMALL, ZONE, slot, slot + SLOT_S), int)
    await ledger.mine(db)


async def begin(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await computed(db)


async def step(db: Connection) -> list[Change]:
    """The next batch is made and mined."""
    changes = await advance(db, SMALL)
    await ledger.mine(db)
    return changes


async def finish(db: Connection) -> list[str]:
    states: list[str] = []
    for _ in range(20):
        states += [change.state for change in await step(db)]
        if states[-1:] in (["settled"], ["failed"]):
            return states
    raise AssertionError(states)


async def statuses(db: Connection) -> list[str]:
    rows = await db.fetch("select settlement_status from trading.trades order by delivery_start, trade_number")
    return [row["settlement_status"] for row in rows]


async def sequences(db: Connection) -> list[int]:
    rows = await db.fetch("select batch_sequence from trading.settlement_batches order by settlement_id, ordinal")
    return [row["batch_sequence"] for row in rows]


async def differences(db: Connection) -> list[str]:
    found = await audit.check_slot(db, await Contract.of(db), CONTEXT, ZONE, SLOT)
    return [f"{finding.kind} {finding.subject}" for finding in found]


async def test_advance__slot_of_six_batches__settles_one_after_the_other_without_a_difference(db: Connection) -> None:
    await begin(db)
    assert [change.state for change in await step(db)] == ["submitted"]
    assert await statuses(db) == ["submitted", "submitted"]
    await step(db)
    assert await statuses(db) == ["settled", "submitted"]

    assert (await finish(db))[-1] == "settled"

    assert await sequences(db) == [0, 1, 2, 3, 4, 5]
    assert await statuses(db) == ["settled", "settled"]
    settled = await reads.settlement(db, ZONE, SLOT)
    assert (settled.batches, settled.batch_sequence, settled.gas_used) == (6, 5, 600_000)
    assert int(await db.fetchval("select sum(locked_cash) from trading.orders")) == 0
    money = await db.fetchval("select sum(cash) from blockchain.account_balances")
    fees = await db.fetchval("select fees from blockchain.exchange_totals")
    assert money + fees == 5 * 10_000_000
    assert await differences(db) == []


async def test_advance__next_slot__begins_only_when_the_one_before_is_whole(db: Connection) -> None:
    await begin(db)
    await trade(db, END)
    await meter_next(db, END)
    await computed(db, END)
    for _ in range(14):
        await step(db)
    rows = await db.fetch(
        "select s.delivery_start, b.batch_sequence from trading.settlement_batches b"
        " join trading.settlements s using (settlement_id) order by batch_sequence"
    )
    starts = [row["delivery_start"] for row in rows]
    assert (len(starts), starts) == (12, sorted(starts))
    assert await statuses(db) == ["settled"] * 4


async def test_advance__order_falls_out_after_the_first_batch__only_its_later_trades_are_void(db: Connection) -> None:
    await begin(db)
    await step(db)
    # The plant's order stands in both batches; the home's trade is on chain when the plant voids it.
    plant = await db.fetchval("select seller from trading.trades limit 1")
    await db.execute("update blockchain.account_balances set nonce = $2 where account = $1", plant, SLOT + 1)

    assert (await finish(db))[-1] == "settled"

    assert await statuses(db) == ["settled", "failed"]
    (void,) = await db.fetch("select account, reason, batch from trading.settlement_voids")
    assert (void["account"], void["reason"], void["batch"]) == (plant, "nonce-raised", 1)
    assert await db.fetchval("select sum(fill_wh) from blockchain.settled_orders where side = 0") == 1_200
    assert await audit.check_slot(db, None, CONTEXT, ZONE, SLOT) == []


async def test_advance__second_batch_refused__is_built_anew_and_the_first_stands(db: Connection) -> None:
    await begin(db)
    await step(db)
    await advance(db, SMALL)
    await ledger.mine(db, fail="settle")
    (refused,) = await advance(db, SMALL)
    assert (refused.state, refused.reason) == ("submitted", f"attempt 1 of {ATTEMPTS}: MandateExceeded")
    assert await statuses(db) == ["settled", "submitted"]

    assert (await finish(db))[-1] == "settled"

    assert await sequences(db) == [0, 1, 2, 3, 4, 5]
    assert await differences(db) == []


async def test_advance__third_batch_refused_for_good__fails_and_what_is_on_chain_stands(db: Connection) -> None:
    await begin(db)
    for _ in range(2):
        await step(db)
    for _ in range(ATTEMPTS):
        await advance(db, SMALL)
        await ledger.mine(db, fail="settle")
        await advance(db, SMALL)
    settled = await reads.settlement(db, ZONE, SLOT)
    assert settled.state == "failed"
    assert await statuses(db) == ["settled", "settled"]
    assert await sequences(db) == [0, 1]
    assert int(await db.fetchval("select sum(locked_cash) from trading.orders")) == 0
    # The imbalance that was never settled is the one thing to be told.
    assert await differences(db) == [f"settlement slot {SLOT} state"]


async def test_advance__reorganisation_of_a_batch_in_the_middle__sends_the_same_bytes_again(db: Connection) -> None:
    await begin(db)
    await finish(db)
    before = await db.fetch("select ordinal, batch from trading.settlement_batches order by ordinal")
    third = await db.fetchval("select block_number from trading.settlement_batches where ordinal = 2")
    await ledger.reorganise(db, third)
    await db.execute("update blockchain.exchange_totals set next_sequence = 2")

    (removed,) = await advance(db, SMALL)
    assert (removed.state, removed.reason) == ("submitted", f"a reorganisation removed block {third}")
    rows = await db.fetch("select block_number from trading.settlement_batches order by ordinal")
    assert [row["block_number"] is None for row in rows] == [False, False, True, True, True, True]
    await db.execute("update blockchain.cursors set block_number = block_number + 20")
    assert (await finish(db))[-1] == "settled"

    assert await db.fetch("select ordinal, batch from trading.settlement_batches order by ordinal") == before
    assert await differences(db) == []


async def test_advance__removed_batches_fail_on_the_new_branch__are_built_anew(db: Connection) -> None:
    await begin(db)
    await finish(db)
    third = await db.fetchval("select block_number from trading.settlement_batches where ordinal = 2")
    await ledger.reorganise(db, third)
    await db.execute("update blockchain.exchange_totals set next_sequence = 2")
    await advance(db, SMALL)
    await db.execute("update blockchain.cursors set block_number = block_number + 20")
    await ledger.mine(db, fail="settle", error="WrongSequence")

    assert (await finish(db))[-1] == "settled"

    assert await sequences(db) == [0, 1, 2, 3, 4, 5]
    assert await differences(db) == []


async def test_advance__grid_short_in_the_middle__waits_and_fails_in_the_end(db: Connection) -> None:
    await begin(db)
    for _ in range(2):
        await step(db)
    await db.execute("delete from blockchain.mandates where account = $1", GRID)
    await db.execute("update blockchain.account_balances set cash = 0 where account = $1", GRID)
    for _ in range(6):
        await step(db)
    waiting = await reads.settlement(db, ZONE, SLOT)
    assert waiting.state == "submitted"
    assert waiting.state_reason is not None
    assert waiting.state_reason.startswith("the grid account")
    await db.execute(
        "update trading.settlements set computed_at = computed_at - make_interval(secs => $1)", PATIENCE_S + 9
    )
    (failed,) = await advance(db, SMALL)
    assert failed.state == "failed"
    assert await statuses(db) == ["settled", "settled"]


async def test_check_slot__tampered_in_one_of_several_batches__names_it(db: Connection) -> None:
    await begin(db)
    await finish(db)
    tampered = (
        ("update trading.settlement_batches set batch = batch || '\\x00' where ordinal = 3", "batch batch 3 bytes"),
        ("update blockchain.settled_orders set money = money + 1 where sequence = 1", "settled_order"),
        ("update blockchain.settled_imbalances set money = money + 1 where sequence = 4", "settled_imbalance"),
        ("update trading.settlements set batches = 5", f"settlement slot {SLOT} batches"),
        ("update trading.trades set delivered_wh = 0 where trade_number = 1", "trade trade 1 delivered_wh"),
    )
    for statement, named in tampered:
        tampering = db.transaction()
        await tampering.start()
        await db.execute(statement)
        assert any(found.startswith(named) for found in await differences(db)), statement
        await tampering.rollback()


async def test_accounts__several_batches__receive_what_one_batch_would_bring(db: Connection) -> None:
    await begin(db)
    await finish(db)
    several = await db.fetch("select account, cash, energy_wh from blockchain.account_balances order by account")
    lines = await reads.accounts(db, (await reads.settlement(db, ZONE, SLOT)).settlement_id)
    exact = {line.account: line.trade_money_nano - line.grid_fee_nano + line.imbalance_money_nano for line in lines}
    for row in several:
        shortfall = sum(line.shortfall for line in lines if line.account == row["account"])
        if row["account"] == GRID:
            shortfall = -sum(line.shortfall for line in lines)
        off = exact[row["account"]] - (int(row["cash"]) - 10_000_000 - shortfall) * 1_000
        assert 0 <= off < 5_000, row
    assert {account_of(HOME), account_of(NEIGHBOUR)} <= exact.keys()


async def test_advance__killed_at_every_step__goes_on_as_if_nothing_had_been(db: Connection) -> None:
    await begin(db)
    for _ in range(20):
        killed = db.transaction()
        await killed.start()
        before = await advance(db, SMALL)
        await killed.rollback()
        assert await advance(db, SMALL) == before
        assert await advance(db, SMALL) == []
        await ledger.mine(db)
        if before and before[-1].state == "settled":
            break
    assert await sequences(db) == [0, 1, 2, 3, 4, 5]
    assert await db.fetchval("select count(*) from wallet.outbox where kind = 'settle'") == 6
    assert await differences(db) == []
