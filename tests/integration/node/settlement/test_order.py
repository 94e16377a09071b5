"""Slots reach the chain in their order, whatever becomes of each, and none holds up the market for ever."""

import pytest

from indexer.db import Connection
from node.market import service as market
from node.settlement import store
from node.settlement.advance import PATIENCE_S, Change, advance
from node.settlement.context import SettlementContext
from node.settlement.outcome import Slot
from node.settlement.service import compute
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    CONTEXT,
    END,
    FLOWS,
    GRID,
    PLANT,
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

ACCOUNT_LANE, OTHER_ZONE = 0, 2


async def two_slots(db: Connection, flows: dict[int, Flow] = FLOWS) -> None:
    """Both are traded in the account lane and computed; their attestations are on chain."""
    await trade(db, SLOT, lane=ACCOUNT_LANE)
    await meter(db, flows)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    await trade(db, END, lane=ACCOUNT_LANE)
    await meter_next(db, END)
    assert isinstance(await compute(db, CONTEXT, ZONE, END, END + SLOT_S), int)
    await ledger.mine(db)


async def step(db: Connection) -> list[tuple[int, str]]:
    return [_of(change) for change in await advance(db, CONTEXT)]


def _of(change: Change) -> tuple[int, str]:
    return change.delivery_start, change.state


async def reason(db: Connection, slot: int) -> str | None:
    found: str | None = await db.fetchval(
        "select state_reason from trading.settlements where delivery_start = to_timestamp($1::bigint)", slot
    )
    return found


async def age(db: Connection, slot: int, seconds: int = PATIENCE_S + 60) -> None:
    await db.execute(
        "update trading.settlements set computed_at = computed_at - make_interval(secs => $2)"
        " where delivery_start = to_timestamp($1::bigint)",
        *(slot, seconds),
    )


async def settled_trades(db: Connection) -> int:
    count: int = await db.fetchval("select count(*) from trading.trades where settlement_status = 'settled'")
    return count


async def test_advance__slot_refused_while_the_next_is_ready__goes_first_again_and_nobody_loses_a_trade(
    db: Connection,
) -> None:
    await two_slots(db)
    assert await step(db) == [(SLOT, "submitted"), (END, "attested")]
    assert await reason(db, END) == f"waits for slot {SLOT} of zone {ZONE}"
    await ledger.mine(db, fail="settle", error="OrderVoid(trader=0x" + account_of(PLANT).hex() + ", lane=0)")

    assert await step(db) == [(SLOT, "attested")]
    assert await step(db) == [(SLOT, "submitted")]

    await ledger.mine(db)
    assert await step(db) == [(SLOT, "settled"), (END, "submitted")]
    await ledger.mine(db)
    assert await step(db) == [(END, "settled")]
    assert await settled_trades(db) == 4
    assert await db.fetchval("select count(*) from trading.settlement_voids") == 0


async def test_advance__grid_short_in_one_slot__the_next_waits_for_it(db: Connection) -> None:
    await two_slots(db, {**FLOWS, PLANT: Flow(export_wh=24_000)})
    await db.execute("update blockchain.account_balances set cash = 5 where account = $1", GRID)

    assert await step(db) == [(SLOT, "attested"), (END, "attested")]
    assert await step(db) == []

    assert "can be charged 5 cash units" in (await reason(db, SLOT) or "")
    assert await reason(db, END) == f"waits for slot {SLOT} of zone {ZONE}"
    await db.execute("update blockchain.account_balances set cash = 10000000 where account = $1", GRID)
    assert await step(db) == [(SLOT, "submitted")]


async def test_advance__grid_short_for_too_long__fails_the_slot_and_the_next_goes_on(db: Connection) -> None:
    await two_slots(db, {**FLOWS, PLANT: Flow(export_wh=24_000)})
    await db.execute("update blockchain.account_balances set cash = 20000 where account = $1", GRID)
    await step(db)
    await age(db, SLOT, PATIENCE_S - 60)
    assert await step(db) == []
    await age(db, SLOT, 120)

    assert await step(db) == [(SLOT, "failed"), (END, "submitted")]

    assert (await reason(db, SLOT) or "").startswith("grid-account-short: waited ")
    await ledger.mine(db)
    assert await step(db) == [(END, "settled")]
    assert await settled_trades(db) == 2


async def test_advance__slot_of_another_zone_is_open__is_waited_for_but_not_for_ever(db: Connection) -> None:
    await market.clear(db, RULES, OTHER_ZONE, SLOT, SLOT - RULES.gate_lead_s)
    await trade(db, SLOT, lane=ACCOUNT_LANE)
    await trade(db, END, lane=ACCOUNT_LANE)
    await meter(db)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    await meter_next(db, END)
    assert isinstance(await compute(db, CONTEXT, ZONE, END, END + SLOT_S), int)
    await ledger.mine(db)
    # A slot does not wait for others of its time.
    assert await step(db) == [(SLOT, "submitted"), (END, "attested")]
    await ledger.mine(db)

    assert await step(db) == [(SLOT, "settled")]

    assert await reason(db, END) == f"waits for slot {SLOT} of zone {OTHER_ZONE}"
    await age(db, END)
    assert await step(db) == [(END, "submitted")]


async def test_advance__fault_in_one_slot__is_told_and_given_up_in_the_end(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two_slots(db)
    load = store.load

    async def broken(db: Connection, ctx: SettlementContext, settlement_id: int) -> Slot:
        slot = await load(db, ctx, settlement_id)
        if slot.delivery_start == SLOT:
            await db.execute("select 1 / 0")
        return slot

    monkeypatch.setattr(store, "load", broken)

    # What the step had changed is taken back with it.
    assert await step(db) == [(END, "attested")]
    assert await reason(db, SLOT) == "DivisionByZeroError: division by zero"
    assert await step(db) == []
    await age(db, SLOT)
    assert await step(db) == [(SLOT, "failed"), (END, "submitted")]

    assert (await reason(db, SLOT) or "").endswith(" s: DivisionByZeroError: division by zero")
    statuses = await db.fetch("select distinct settlement_status from trading.trades order by 1")
    assert [row[0] for row in statuses] == ["failed", "submitted"]


async def test_advance__fault_passes__slots_settle_in_order(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    await two_slots(db)

    async def broken(db: Connection, ctx: SettlementContext, settlement_id: int) -> Slot:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(store, "load", broken)
        assert await step(db) == [(END, "attested")]
    await age(db, SLOT)

    assert await step(db) == [(SLOT, "submitted")]
