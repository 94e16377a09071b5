"""From trades and readings to a settled slot, step by step, against the stored rows."""

import pytest

from indexer.db import Connection
from node.market import service as market
from node.settlement import merkle, reads, service
from node.settlement.advance import Change, advance
from node.settlement.context import NotReady
from node.settlement.refused import ATTEMPTS
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    BYSTANDER,
    CONTEXT,
    END,
    FLOWS,
    GRID,
    HOME,
    NEIGHBOUR,
    PLANT,
    RULES,
    SLOT,
    SLOT_S,
    ZONE,
    Flow,
    account_of,
    meter,
    trade,
)

pytestmark = pytest.mark.integration


async def compute(db: Connection, now_s: int = END) -> int:
    settlement_id = await service.compute(db, CONTEXT, ZONE, SLOT, now_s)
    assert isinstance(settlement_id, int), settlement_id
    return settlement_id


async def settle(db: Connection) -> list[Change]:
    await compute(db)
    await ledger.mine(db)
    changes = await advance(db, CONTEXT)
    await ledger.mine(db)
    return changes + await advance(db, CONTEXT)


async def test_compute__slot_not_ended__is_not_ready(db: Connection) -> None:
    await trade(db)
    assert await service.compute(db, CONTEXT, ZONE, SLOT, END - 1) == NotReady("the slot has not ended")
    assert await service.due(db, [ZONE], END - 1) == []
    assert await service.due(db, [ZONE], END) == [(ZONE, SLOT)]


async def test_compute__meter_without_reading__waits_for_the_grace_and_flags_it(db: Connection) -> None:
    await trade(db)
    await meter(db, {number: flow for number, flow in FLOWS.items() if number != HOME})
    waiting = await service.compute(db, CONTEXT, ZONE, SLOT, END + RULES.reading_grace_s - 1)
    assert waiting == NotReady("meters are still to be read")

    settlement_id = await compute(db, END + RULES.reading_grace_s)

    assert (await reads.settlement(db, ZONE, SLOT)).missing_meters == 1
    (home,) = await reads.accounts(db, settlement_id, account_of(HOME))
    assert (home.state, home.imbalance_wh, home.imbalance_money_nano, home.bought_wh) == ("missing", 0, 0, 1_200)


async def test_compute__earlier_slot_open__waits_for_it(db: Connection) -> None:
    await trade(db)
    await trade(db, SLOT + SLOT_S)
    waiting = await service.compute(db, CONTEXT, ZONE, SLOT + SLOT_S, END + SLOT_S)
    assert waiting == NotReady(f"slot {SLOT} of the zone is not settled yet")


async def test_compute__metered_slot__stores_what_was_delivered_and_who_owes_what(db: Connection) -> None:
    await trade(db)
    await meter(db)

    settlement_id = await compute(db)

    trades = await db.fetch("select energy_wh, delivered_wh, grid_fee_nano, carbon_offset_g from trading.trades")
    # 1,903 Wh fed in: 1,200 for the home; the neighbour took 650 of its 800.
    assert [tuple(row) for row in trades] == [(1_200, 1_200, 24_000_000, 456), (800, 650, 13_000_000, 247)]
    accounts = {row.account: row for row in await reads.accounts(db, settlement_id)}
    imbalances = {number: accounts[account_of(number)].imbalance_wh for number in FLOWS}
    assert imbalances == {PLANT: -97, HOME: -1, NEIGHBOUR: 190, BYSTANDER: -77}
    assert sum(row.trade_money_nano for row in accounts.values()) == 0
    assert sum(row.imbalance_money_nano for row in accounts.values()) == 0
    settled = await reads.settlement(db, ZONE, SLOT)
    assert (settled.state, settled.traded_wh, settled.delivered_wh) == ("computed", 2_000, 1_850)
    assert settled.grid_exchange_wh == 15
    kinds = await db.fetch("select key from wallet.outbox order by id")
    assert [row["key"] for row in kinds] == [f"{kind}:1:{SLOT}:0" for kind in ("baseline", "attest", "issue")]


async def test_compute__again__finds_the_first(db: Connection) -> None:
    await trade(db)
    await meter(db)
    first = await compute(db)
    assert await compute(db, END + 10) == first
    assert await db.fetchval("select count(*) from wallet.outbox") == 3
    assert await service.due(db, [ZONE], END) == []


async def test_advance__step_by_step__settles_once_and_frees_the_locks(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await compute(db)
    assert await advance(db, CONTEXT) == []
    await ledger.mine(db)

    (submitted,) = await advance(db, CONTEXT)
    assert submitted.state == "submitted"
    assert await advance(db, CONTEXT) == []
    assert await db.fetchval("select sum(locked_cash) from trading.orders") > 0
    await ledger.mine(db)
    (settled,) = await advance(db, CONTEXT)
    assert settled.state == "settled"
    assert await advance(db, CONTEXT) == []

    row = await reads.settlement(db, ZONE, SLOT)
    assert (row.batch_sequence, row.block_number, row.gas_used) == (0, 12, 100_000)
    assert await db.fetchval("select sum(locked_cash) from trading.orders") == 0
    states = await db.fetch("select distinct settlement_status from trading.trades")
    assert [state["settlement_status"] for state in states] == ["settled"]


async def test_advance__no_mandate__leaves_the_shortfall_to_the_grid(db: Connection) -> None:
    await trade(db)
    await meter(db)
    before = await db.fetchval("select sum(cash) from blockchain.account_balances")
    await settle(db)

    settled = await reads.settlement(db, ZONE, SLOT)
    accounts = {row.account: row for row in await reads.accounts(db, settled.settlement_id)}
    owed = -(accounts[account_of(BYSTANDER)].imbalance_money_nano // 1_000)
    assert accounts[account_of(BYSTANDER)].shortfall == owed > 0
    moved = {
        row["account"]: int(row["money"])
        for row in await db.fetch("select account, money from blockchain.settled_imbalances")
    }
    assert moved[account_of(BYSTANDER)] == 0
    assert moved[GRID] == accounts[GRID].imbalance_money_nano // 1_000 - owed
    fees = await db.fetchval("select fees from blockchain.exchange_totals")
    assert await db.fetchval("select sum(cash) from blockchain.account_balances") + fees == before
    assert fees * 1_000 == settled.grid_fee_nano + settled.residue_nano


async def test_advance__chain_refuses__tries_again_with_the_same_number_then_fails(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await compute(db)
    await ledger.mine(db)
    for attempt in range(1, ATTEMPTS + 1):
        assert [change.state for change in await advance(db, CONTEXT)] == ["submitted"]
        await ledger.mine(db, fail="settle")
        (refused,) = await advance(db, CONTEXT)
        assert refused.reason == f"attempt {attempt} of {ATTEMPTS}: MandateExceeded"
    assert refused.state == "failed"
    assert await db.fetchval("select batch_sequence from trading.settlements") is None
    assert await db.fetchval("select count(*) from wallet.outbox where kind = 'settle'") == ATTEMPTS


async def test_advance__reorganisation__goes_back_and_settles_again_with_the_same_bytes(db: Connection) -> None:
    await trade(db)
    await meter(db)
    assert [change.state for change in await settle(db)] == ["submitted", "settled"]
    batch = await db.fetchval("select batch from trading.settlement_batches")

    await ledger.reorganise(db, 12)
    (removed,) = await advance(db, CONTEXT)
    assert (removed.state, removed.reason) == ("submitted", "a reorganisation removed block 12")
    await db.execute("update blockchain.cursors set block_number = 20")
    await ledger.mine(db)
    assert [change.state for change in await advance(db, CONTEXT)] == ["settled"]

    assert await db.fetchval("select batch from trading.settlement_batches") == batch
    assert (await reads.settlement(db, ZONE, SLOT)).block_number == 21


async def test_advance__changed_slot_energy__is_not_sent(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await compute(db)
    await ledger.mine(db)
    await db.execute("update telemetry.slot_energy set export_wh = export_wh + 1 where meter_id = $1", PLANT)
    (failed,) = await advance(db, CONTEXT)
    assert failed.state == "failed"
    assert failed.reason is not None
    assert failed.reason.startswith("settlement-changed")


async def test_advance__no_trades_and_no_imbalance__settles_without_a_batch(db: Connection) -> None:
    await db.execute("delete from telemetry.meters")
    await market.clear(db, RULES, ZONE, SLOT, SLOT - RULES.gate_lead_s)
    await compute(db)
    assert [change.state for change in await advance(db, CONTEXT)] == ["settled"]
    assert await db.fetchval("select count(*) from wallet.outbox") == 0


async def test_advance__grid_account_without_means__waits_and_says_so(db: Connection) -> None:
    await trade(db)
    await meter(db, {**FLOWS, PLANT: Flow(export_wh=24_000)})
    await db.execute("update blockchain.account_balances set cash = 5 where account = $1", GRID)
    await compute(db)
    await ledger.mine(db)
    assert [change.state for change in await advance(db, CONTEXT)] == ["attested"]
    reason = (await reads.settlement(db, ZONE, SLOT)).state_reason
    assert reason is not None
    assert "can be charged 5 cash units" in reason
    await db.execute("update blockchain.account_balances set cash = 10000000 where account = $1", GRID)
    assert [change.state for change in await advance(db, CONTEXT)] == ["submitted"]


async def test_reading_proof__owner__proves_his_meter_and_nobody_elses(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await compute(db)
    secret = CONTEXT.salt_secret
    proof = await reads.reading_proof(db, secret, ZONE, SLOT, HOME, account_of(HOME))
    assert proof.slot.import_wh == FLOWS[HOME].import_wh
    assert merkle.verify(proof.root, merkle.leaf(proof.slot, proof.salt), proof.siblings)
    with pytest.raises(reads.NoReading):
        await reads.reading_proof(db, secret, ZONE, SLOT, HOME, account_of(PLANT))
