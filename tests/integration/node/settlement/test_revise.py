"""What comes late makes a new version that settles the difference, once, until the slot is final."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from indexer.db import Connection
from node.audit import service as audit
from node.audit.chain import VaultAccount
from node.settlement import reads
from node.settlement.advance import advance
from node.settlement.context import SettlementContext
from node.settlement.revise import due, revise
from node.settlement.service import compute
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    BYSTANDER,
    CHAIN_ID,
    CONTEXT,
    END,
    FLOWS,
    GRID,
    HOME,
    NEIGHBOUR,
    RULES,
    SLOT,
    ZONE,
    Flow,
    account_of,
    meter,
    trade,
)

pytestmark = pytest.mark.integration

LATE = END + RULES.reading_grace_s
FINAL = END + RULES.final_after_s


async def settle(db: Connection, ctx: SettlementContext = CONTEXT) -> None:
    for _ in range(12):
        await ledger.mine(db)
        await advance(db, ctx)


async def begin(db: Connection, *missing: int, flows: Mapping[int, Flow] = FLOWS) -> None:
    """Settles the slot without what these meters saw."""
    await trade(db)
    await meter(db, {number: flow for number, flow in flows.items() if number not in missing})
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, LATE), int)
    await settle(db)
    assert (await reads.settlement(db, ZONE, SLOT)).state == "settled"
    # What comes from here on was not known when the slot was computed.
    await db.execute("update trading.settlements set computed_at = computed_at - interval '1 minute'")
    await db.execute("update telemetry.readings set received_at = received_at - interval '2 minutes'")


async def again(db: Connection, now_s: int = LATE, ctx: SettlementContext = CONTEXT) -> int | None:
    made = await revise(db, ctx, ZONE, SLOT, now_s)
    await settle(db, ctx)
    return made


async def cash(db: Connection) -> dict[bytes, int]:
    rows = await db.fetch("select account, cash from blockchain.account_balances")
    return {row["account"]: int(row["cash"]) for row in rows}


async def differences(db: Connection) -> list[str]:
    found = await audit.check_slot(db, await Contract.of(db), CONTEXT, ZONE, SLOT)
    return [f"{finding.kind} {finding.subject}: {finding.expected} / {finding.actual}" for finding in found]


async def test_revise__missing_meter_comes_late__settles_the_difference_to_the_version_before(db: Connection) -> None:
    await begin(db, HOME)
    assert await due(db, CONTEXT, [ZONE], LATE) == []
    before = await cash(db)
    await meter(db, {HOME: FLOWS[HOME]})
    assert await due(db, CONTEXT, [ZONE], LATE) == [(ZONE, SLOT)]

    assert await again(db) is not None

    first, second = await reads.versions(db, ZONE, SLOT)
    assert (first.kind, second.kind, second.state, second.missing_meters) == ("provisional", "revision", "settled", 0)
    # What the home bought it took, but for one Wh: it pays for that, and the grid fee on what was delivered to it.
    (then,) = await reads.accounts(db, first.settlement_id, account_of(HOME))
    (now,) = await reads.accounts(db, second.settlement_id, account_of(HOME))
    assert (then.grid_fee_nano, now.grid_fee_nano, now.imbalance_wh) == (0, 24_000_000, -1)
    after = await cash(db)
    moved = {account: after[account] - before[account] for account in after}
    exact = now.imbalance_money_nano - now.grid_fee_nano - then.imbalance_money_nano
    assert moved[account_of(HOME)] == exact // 1_000
    # Nothing but rounding stays at the exchange: the fee's difference is the grid account's.
    assert -6 < sum(moved.values()) <= 0
    assert await db.fetchval("select sum(fill_wh) from blockchain.settled_orders where version > 0") is None
    assert await differences(db) == []


async def test_due__reading_too_far_from_the_slot_to_prove_it__is_not_looked_at(db: Connection) -> None:
    await begin(db, HOME)
    await meter(db, {HOME: FLOWS[HOME]})
    later = 'update telemetry.readings set "time" = "time" + make_interval(secs => $2) where meter_id = $1'
    await db.execute(later, HOME, END + RULES.reading_gap_s + 1 - SLOT)
    assert await due(db, CONTEXT, [ZONE], LATE) == []
    await db.execute(later, HOME, -1)
    assert await due(db, CONTEXT, [ZONE], LATE) == [(ZONE, SLOT)]


async def test_revise__same_again__changes_nothing(db: Connection) -> None:
    await begin(db, HOME)
    await meter(db, {HOME: FLOWS[HOME]})
    await again(db)
    before = await cash(db)
    for _ in range(3):
        assert await again(db) is None
    assert (len(await reads.versions(db, ZONE, SLOT)), await cash(db)) == (2, before)


async def test_revise__several_come_one_after_the_other__each_version_settles_what_is_new(db: Connection) -> None:
    await begin(db, HOME, NEIGHBOUR)
    await meter(db, {NEIGHBOUR: FLOWS[NEIGHBOUR]})
    await again(db)
    await meter(db, {HOME: FLOWS[HOME]})
    await again(db)

    rows = await reads.versions(db, ZONE, SLOT)
    assert [(row.version, row.missing_meters, row.state) for row in rows] == [
        (0, 2, "settled"),
        (1, 1, "settled"),
        (2, 0, "settled"),
    ]
    for row in rows:
        lines = await reads.accounts(db, row.settlement_id)
        assert sum(line.trade_money_nano for line in lines) == 0
        assert sum(line.imbalance_money_nano for line in lines) == 0
    for line in await reads.accounts(db, rows[-1].settlement_id):
        exact = line.trade_money_nano - line.grid_fee_nano + line.imbalance_money_nano
        moved = (await cash(db))[line.account] - 10_000_000
        # The grid account has what the fee came to more, too; the bystander has no mandate and paid nothing.
        if line.account not in (GRID, account_of(BYSTANDER)):
            assert 0 <= exact - moved * 1_000 < 4_000, line
    assert await differences(db) == []


async def test_revise__owed_and_never_paid__is_not_given_back(db: Connection) -> None:
    # Nobody is long: the bystander owes the grid's price. It has no mandate and pays nothing.
    flows = {**FLOWS, NEIGHBOUR: Flow(800)}
    await begin(db, HOME, flows=flows)
    (line,) = await reads.accounts(db, (await reads.settlement(db, ZONE, SLOT)).settlement_id, account_of(BYSTANDER))
    assert line.shortfall > 0
    paid = (await cash(db))[account_of(BYSTANDER)]
    assert paid == 10_000_000
    await meter(db, {HOME: Flow(export_wh=5_000)})

    await again(db)

    # There is more local energy now: the same imbalance costs less, but nothing was paid for it.
    (second,) = [row for row in await reads.versions(db, ZONE, SLOT) if row.version == 1]
    (now,) = await reads.accounts(db, second.settlement_id, account_of(BYSTANDER))
    assert now.imbalance_money_nano > line.imbalance_money_nano
    assert (await cash(db))[account_of(BYSTANDER)] == paid
    assert 0 < now.uncovered < line.shortfall
    assert await differences(db) == []


async def test_revise__final__nothing_after_it(db: Connection) -> None:
    await begin(db, HOME)
    assert await due(db, CONTEXT, [ZONE], FINAL - 1) == []
    assert await due(db, CONTEXT, [ZONE], FINAL) == [(ZONE, SLOT)]
    assert await again(db, FINAL) is None
    (only,) = await reads.versions(db, ZONE, SLOT)
    assert only.kind == "final"
    await meter(db, {HOME: FLOWS[HOME]})
    assert await due(db, CONTEXT, [ZONE], FINAL) == []
    assert await again(db, FINAL) is None
    assert await differences(db) == []


async def test_revise__late_reading_at_the_last_look__makes_the_final_version(db: Connection) -> None:
    await begin(db, HOME)
    await meter(db, {HOME: FLOWS[HOME]})
    await again(db, FINAL)
    assert [row.kind for row in await reads.versions(db, ZONE, SLOT)] == ["provisional", "final"]
    assert await differences(db) == []


async def test_revise__in_several_batches__settles_without_a_difference(db: Connection) -> None:
    await begin(db, HOME)
    await meter(db, {HOME: FLOWS[HOME]})
    await again(db, ctx=replace(CONTEXT, most_entries=2))
    (_, second) = await reads.versions(db, ZONE, SLOT)
    assert (second.state, second.batches) == ("settled", 1)  # the most entries are those of the slot's first version
    assert await differences(db) == []


async def test_check_slot__revision_tampered_with__names_it(db: Connection) -> None:
    await begin(db, HOME)
    await meter(db, {HOME: FLOWS[HOME]})
    await again(db)
    tampered = (
        ("update trading.settlement_accounts a set grid_fee_nano = 1 from trading.settlements s"
         " where s.settlement_id = a.settlement_id and s.version = 1", "account"),
        ("update blockchain.settled_imbalances set money = money - 1 where version = 1", "settled_imbalance"),
        (f"update telemetry.slot_energy set import_wh = 1 where version = 1 and meter_id = {HOME}", "slot_energy"),
        ("delete from blockchain.fact_production_ledger_registers_attested where readings_root ="
         " (select readings_root from trading.settlements where version = 1)", "register"),
        ("update trading.settlements set previous_id = null where version = 1", "settled_imbalance"),
    )  # fmt: skip
    for statement, kind in tampered:
        tampering = db.transaction()
        await tampering.start()
        assert not (await db.execute(statement)).endswith(" 0"), statement
        assert any(found.startswith(kind) for found in await differences(db)), statement
        await tampering.rollback()


async def test_revise__chain_refuses_the_version__fails_and_leaves_the_one_before(db: Connection) -> None:
    await begin(db, HOME)
    before: dict[bytes, VaultAccount] = (await Contract.of(db)).accounts
    await meter(db, {HOME: FLOWS[HOME]})
    assert await revise(db, CONTEXT, ZONE, SLOT, LATE) is not None
    await ledger.mine(db)
    for _ in range(7):
        await advance(db, CONTEXT)
        await ledger.mine(db, fail="settle")
    (first, second) = await reads.versions(db, ZONE, SLOT)
    assert (first.state, second.state) == ("settled", "failed")
    assert (await Contract.of(db)).accounts == before
    statuses = await db.fetch("select distinct settlement_status from trading.trades")
    assert [row["settlement_status"] for row in statuses] == ["settled"]
    assert await db.fetchval("select count(*) from blockchain.settled_imbalances where chain_id = $1", CHAIN_ID) > 0
