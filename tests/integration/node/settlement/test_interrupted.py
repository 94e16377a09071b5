"""A reorganisation, a refusal or a fault between batches: nothing is paid twice, and nobody waits for ever."""

from typing import Any

import pytest

from indexer.db import Connection
from node.audit import service as audit
from node.settlement import advance as advancing
from node.settlement import reads
from node.settlement.advance import PATIENCE_S, Change, advance
from node.settlement.refused import ATTEMPTS
from node.settlement.revise import due, revise
from node.settlement.service import compute
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.test_batches import SMALL, begin, differences, finish, sequences, statuses, step
from tests.integration.node.settlement.village import (
    CONTEXT,
    END,
    FLOWS,
    GRID,
    HOME,
    NEIGHBOUR,
    RULES,
    SLOT,
    SLOT_S,
    ZONE,
    Flow,
    account_of,
    meter,
    meter_next,
    trade,
)

pytestmark = pytest.mark.integration

LATE = END + RULES.reading_grace_s


async def revised(db: Connection) -> int:
    """A slot of small batches, and its first revision with its first batch on chain; another meter is still missing."""
    await trade(db)
    await meter(db, {number: flow for number, flow in FLOWS.items() if number not in (HOME, NEIGHBOUR)})
    assert isinstance(await compute(db, SMALL, ZONE, SLOT, LATE), int)
    await ledger.mine(db)
    assert (await finish(db))[-1] == "settled"
    await db.execute("update trading.settlements set computed_at = computed_at - interval '1 minute'")
    await db.execute("update telemetry.readings set received_at = received_at - interval '2 minutes'")
    await meter(db, {HOME: Flow(export_wh=5_000)})
    revision = await revise(db, SMALL, ZONE, SLOT, LATE)
    assert revision is not None
    await ledger.mine(db)
    await step(db)
    row = await reads.settlement(db, ZONE, SLOT)
    assert row.batches > 1
    return revision


async def refuse_for_good(db: Connection) -> None:
    for _ in range(ATTEMPTS):
        await advance(db, SMALL)
        await ledger.mine(db, fail="settle")
        await advance(db, SMALL)
    assert (await reads.settlement(db, ZONE, SLOT)).state == "failed"


async def cash(db: Connection) -> list[Any]:
    return list(await db.fetch("select account, cash from blockchain.account_balances order by account"))


async def test_revise__revision_failed_between_its_batches__is_the_last_version(db: Connection) -> None:
    await revised(db)
    await refuse_for_good(db)
    before = await cash(db)
    await meter(db, {NEIGHBOUR: FLOWS[NEIGHBOUR]})

    assert await revise(db, SMALL, ZONE, SLOT, LATE) is None

    assert [row.state for row in await reads.versions(db, ZONE, SLOT)] == ["settled", "failed"]
    assert (await reads.settlement(db, ZONE, SLOT)).kind == "final"
    assert await due(db, SMALL, [ZONE], LATE) == []
    for _ in range(3):
        await step(db)
    assert await cash(db) == before


async def test_check_slot__version_passes_over_one_that_is_partly_on_chain__is_found(db: Connection) -> None:
    failed = await revised(db)
    await refuse_for_good(db)
    await meter(db, {NEIGHBOUR: FLOWS[NEIGHBOUR]})
    block = "update trading.settlement_batches set block_number = $2 where settlement_id = $1 and ordinal = 0"
    number = await db.fetchval("select block_number from trading.settlement_batches where settlement_id = $1", failed)
    await db.execute(block, failed, None)
    assert await revise(db, SMALL, ZONE, SLOT, LATE) is not None
    await db.execute(block, failed, number)
    for _ in range(12):
        await step(db)
    assert [row.state for row in await reads.versions(db, ZONE, SLOT)] == ["settled", "failed", "settled"]
    assert f"settlement slot {SLOT} version 2 difference" in await differences(db)


async def test_advance__revision_waits_between_its_batches__others_go_on(db: Connection) -> None:
    await revised(db)
    await db.execute("update blockchain.mandates set budget_per_slot = 0, budget = 0 where account = $1", GRID)
    await trade(db, END)
    await meter_next(db, END)
    assert isinstance(await compute(db, CONTEXT, ZONE, END, LATE + SLOT_S), int)
    await ledger.mine(db)
    for _ in range(3):
        await advance(db, CONTEXT)
        await ledger.mine(db)
    waiting = await reads.settlement(db, ZONE, SLOT)
    assert (waiting.version, waiting.state) == (1, "submitted")
    assert waiting.state_reason is not None
    assert waiting.state_reason.startswith("the grid account")
    assert (await reads.settlement(db, ZONE, END)).state == "settled"


async def submitted(db: Connection) -> None:
    await trade(db)
    await meter(db)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    await ledger.mine(db)
    assert [change.state for change in await advance(db, CONTEXT)] == ["submitted"]


async def settle_attempts(db: Connection) -> int:
    found: int = await db.fetchval("select count(*) from wallet.outbox where kind = 'settle'")
    return found


async def test_advance__reverted_in_a_block_that_may_go__waits_until_it_is_final(db: Connection) -> None:
    await submitted(db)
    block = await ledger.mine(db, fail="settle", is_final=False)
    for _ in range(3):
        assert await advance(db, CONTEXT) == []
    assert await settle_attempts(db) == 1
    await ledger.finalise(db, block)
    (refused,) = await advance(db, CONTEXT)
    assert refused.state == "attested"
    await advance(db, CONTEXT)
    assert await settle_attempts(db) == 2


async def test_advance__reverted_and_revived_by_a_reorganisation__settles_once(db: Connection) -> None:
    await submitted(db)
    block = await ledger.mine(db, fail="settle", is_final=False)
    await advance(db, CONTEXT)
    await db.execute("update wallet.outbox set state = 'queued', error = null where block_number = $1", block)
    await ledger.mine(db)
    assert [change.state for change in await advance(db, CONTEXT)] == ["settled"]
    assert await settle_attempts(db) == 1
    assert await audit.check_slot(db, await Contract.of(db), CONTEXT, ZONE, SLOT) == []


async def test_advance__transaction_of_a_given_up_attempt_on_chain__stops_with_its_reason(db: Connection) -> None:
    await submitted(db)
    await ledger.mine(db, fail="settle")
    await advance(db, CONTEXT)
    await advance(db, CONTEXT)
    # Against all rules a final block went: the first attempt takes the number of the second.
    first, second = await db.fetch("select id from wallet.outbox where kind = 'settle' order by id")
    await db.execute("update wallet.outbox set state = 'queued' where id = $1", first["id"])
    await db.execute("update wallet.outbox set state = 'sent' where id = $1", second["id"])
    await ledger.mine(db)
    assert await advance(db, CONTEXT) == []
    row = await reads.settlement(db, ZONE, SLOT)
    assert row.state == "submitted"
    assert row.state_reason is not None
    assert row.state_reason.startswith("AttemptRevived: ")


async def test_advance__somebody_elses_batch_of_the_same_slot__is_not_taken_for_its_own(db: Connection) -> None:
    await submitted(db)
    calldata = await db.fetchval("select calldata from wallet.outbox where kind = 'settle'")
    await ledger.apply(db, 12, 0, calldata, b"\x77" * 32)
    await db.execute("update wallet.outbox set state = 'failed', error = 'WrongSequence()' where kind = 'settle'")
    (refused,) = await advance(db, CONTEXT)
    assert (refused.state, refused.reason) == ("attested", f"attempt 1 of {ATTEMPTS}: WrongSequence()")


async def test_advance__earlier_batch_built_anew_with_fewer_after_it__leaves_nothing_of_the_old_ones(
    db: Connection,
) -> None:
    await begin(db)
    await finish(db)
    assert await db.fetchval("select count(*) from trading.settlement_charges where batch > 1") > 1
    second = await db.fetchval("select block_number from trading.settlement_batches where ordinal = 1")
    await ledger.reorganise(db, second)
    await db.execute("update blockchain.exchange_totals set next_sequence = 1")
    await advance(db, SMALL)
    await db.execute("update blockchain.cursors set block_number = block_number + 20")
    await ledger.mine(db, fail="settle", error="WrongSequence")
    await db.execute("update blockchain.account_balances set cash = 1000 where account = $1", account_of(NEIGHBOUR))
    await advance(db, SMALL)
    await advance(db, SMALL)
    assert await db.fetchval("select count(*) from trading.settlement_charges where batch > 1") == 0
    assert await db.fetchval("select count(*) from trading.trades where batch > 1") == 0
    await ledger.mine(db)

    assert (await finish(db))[-1] == "settled"

    assert await statuses(db) == ["settled", "failed"]
    assert await audit.check_slot(db, None, CONTEXT, ZONE, SLOT) == []


async def test_advance__fault_between_two_batches__is_given_up_after_a_time(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(db)
    await step(db)

    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(advancing, "prepare", broken)
    assert await advance(db, SMALL) == []
    age = "update trading.settlements set computed_at = computed_at - make_interval(secs => $1)"
    await db.execute(age, PATIENCE_S + 9)
    (failed,) = await advance(db, SMALL)
    assert failed.state == "failed"
    assert await statuses(db) == ["settled", "failed"]


async def test_advance__fault_while_a_batch_is_on_its_way__is_not_given_up(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(db)
    await advance(db, SMALL)

    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(advancing, "_mirror", broken)
    age = "update trading.settlements set computed_at = computed_at - make_interval(secs => $1)"
    await db.execute(age, PATIENCE_S + 9)
    for _ in range(3):
        assert await advance(db, SMALL) == []


async def half_failed(db: Connection) -> int:
    """Two batches are on chain when the slot fails; returns the block of the second."""
    await begin(db)
    await step(db)
    await step(db)
    for _ in range(ATTEMPTS):
        await advance(db, SMALL)
        await ledger.mine(db, fail="settle", is_final=False)
        # Refused before it was sent: nothing of it is in a block.
        await db.execute("update wallet.outbox set block_number = null where state = 'failed'")
        await advance(db, SMALL)
    assert (await reads.settlement(db, ZONE, SLOT)).state == "failed"
    block: int = await db.fetchval("select block_number from trading.settlement_batches where ordinal = 1")
    await ledger.reorganise(db, block)
    await db.execute("update blockchain.exchange_totals set next_sequence = 1")
    return block


async def test_advance__batch_of_a_failed_slot_gone_for_good__frees_its_number(db: Connection) -> None:
    await half_failed(db)
    await advance(db, SMALL)
    assert await sequences(db) == [0, 1]
    await db.execute("update blockchain.cursors set block_number = block_number + 20")
    await ledger.mine(db, fail="settle")
    await advance(db, SMALL)
    assert await sequences(db) == [0]
    assert await statuses(db) == ["settled", "failed"]
    await trade(db, END)
    await meter_next(db, END)
    assert isinstance(await compute(db, CONTEXT, ZONE, END, END + SLOT_S), int)
    await ledger.mine(db)
    changes: list[Change] = []
    for _ in range(3):
        changes += await advance(db, CONTEXT)
        await ledger.mine(db)
    assert changes[-1].state == "settled"


async def test_advance__batch_of_a_failed_slot_comes_again__stands_as_before(db: Connection) -> None:
    await half_failed(db)
    await advance(db, SMALL)
    assert await statuses(db) == ["settled", "failed"]
    await db.execute("update blockchain.cursors set block_number = block_number + 20")
    await ledger.mine(db)
    await advance(db, SMALL)
    assert await sequences(db) == [0, 1]
    assert await statuses(db) == ["settled", "settled"]
    assert await differences(db) == [f"settlement slot {SLOT} state"]
