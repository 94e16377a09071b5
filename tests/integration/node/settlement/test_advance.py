"""What goes wrong with one order, one account or one attestation costs the others nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from contracts import settlement_batch
from indexer import read
from indexer.db import Connection
from node.audit import service as audit
from node.market import service as market
from node.settlement.advance import Change, advance
from node.settlement.context import NotReady
from node.settlement.refused import ATTEMPTS
from node.settlement.service import compute
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import (
    BUY,
    CHAIN_ID,
    CONTEXT,
    DOMAIN,
    END,
    FLOWS,
    HOME,
    NEIGHBOUR,
    PLANT,
    RULES,
    SELL,
    SLOT,
    SLOT_S,
    ZONE,
    Flow,
    account_of,
    announce,
    meter,
    meter_next,
    offer,
    trade,
)

pytestmark = pytest.mark.integration

Step = Callable[[Connection], Awaitable[Any]]


async def computed(db: Connection, slot: int = SLOT) -> int:
    settlement_id = await compute(db, CONTEXT, ZONE, slot, slot + SLOT_S)
    assert isinstance(settlement_id, int), settlement_id
    await ledger.mine(db)
    return settlement_id


async def finish(db: Connection) -> list[Change]:
    changes = await advance(db, CONTEXT)
    await ledger.mine(db)
    return changes + await advance(db, CONTEXT)


async def statuses(db: Connection, slot: int = SLOT) -> list[str]:
    rows = await db.fetch(
        "select settlement_status from trading.trades where delivery_start = to_timestamp($1::bigint)"
        " order by trade_number",
        slot,
    )
    return [row["settlement_status"] for row in rows]


async def locked(db: Connection) -> int:
    return int(await db.fetchval("select sum(locked_cash) from trading.orders"))


def change_account(number: int, what: str) -> Step:
    def step(db: Connection) -> Awaitable[Any]:
        statement = f"update blockchain.account_balances set {what} where account = $1"
        return db.execute(statement, account_of(number))

    return step


def freeze(number: int) -> Step:
    return lambda db: db.execute("update blockchain.participants set flags = 7 where account = $1", account_of(number))


@pytest.mark.parametrize(
    ("step", "number", "reason", "trades"),
    [
        (change_account(HOME, f"nonce = {SLOT + 1}"), HOME, "nonce-raised", ["failed", "settled"]),
        (change_account(NEIGHBOUR, "cash = 1000"), NEIGHBOUR, "cash-short", ["settled", "failed"]),
        (freeze(NEIGHBOUR), NEIGHBOUR, "not-cleared", ["settled", "failed"]),
        (change_account(PLANT, "energy_wh = 0"), PLANT, "energy-short", ["failed", "failed"]),
    ],
)
async def test_advance__trader_falls_out_after_the_gate__is_void_and_the_rest_settles(
    db: Connection, step: Step, number: int, reason: str, trades: list[str]
) -> None:
    await trade(db)
    await meter(db)
    settlement_id = await computed(db)
    await step(db)

    assert [change.state for change in await finish(db)] == ["submitted", "settled"]

    voids = await db.fetch("select digest, account, reason, as_of_block from trading.settlement_voids")
    assert [(row["account"], row["reason"], row["as_of_block"]) for row in voids] == [(account_of(number), reason, 11)]
    assert await statuses(db) == trades
    assert await locked(db) == 0
    traded_wh = await db.fetchval("select traded_wh from trading.settlements where settlement_id = $1", settlement_id)
    filled_wh = await db.fetchval("select coalesce(sum(fill_wh), 0) from blockchain.settled_orders where side = 0")
    assert traded_wh == filled_wh == {"failed": 0, "settled": 1}[trades[0]] * 1_200 + (trades[1] == "settled") * 800
    assert await audit.check_and_store(db, None, CONTEXT, ZONE, SLOT) == []


async def test_advance__void_at_first_and_not_at_the_second_attempt__is_settled_after_all(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await computed(db)
    before = await db.fetchval("select result_hash from trading.settlements")
    await change_account(NEIGHBOUR, "cash = 1000")(db)
    await advance(db, CONTEXT)
    assert await statuses(db) == ["submitted", "failed"]
    await ledger.mine(db, fail="settle")
    await advance(db, CONTEXT)
    await change_account(NEIGHBOUR, "cash = 10000000")(db)

    assert [change.state for change in await finish(db)] == ["submitted", "settled"]

    assert await statuses(db) == ["settled", "settled"]
    assert await db.fetchval("select count(*) from trading.settlement_voids") == 0
    assert await db.fetchval("select result_hash from trading.settlements") == before
    assert await audit.check_and_store(db, None, CONTEXT, ZONE, SLOT) == []


async def test_advance__everybody_void_and_nobody_metered__settles_without_a_batch(db: Connection) -> None:
    await trade(db)
    await db.execute("update telemetry.meters set active = false")
    await computed(db)
    await db.execute("update blockchain.participants set flags = 7")

    (settled,) = await advance(db, CONTEXT)

    assert (settled.state, await statuses(db), await locked(db)) == ("settled", ["failed", "failed"], 0)
    assert await db.fetchval("select count(*) from trading.settlement_voids") == 3
    assert await db.fetchval("select count(*) from trading.settlement_batches") == 0


async def test_compute__meter_not_in_use_on_chain__is_left_out(db: Connection) -> None:
    await announce(db, PLANT, active=False, block=2)
    await trade(db)
    await meter(db)
    await computed(db)

    assert [change.state for change in await finish(db)] == ["submitted", "settled"]

    plant = await db.fetchrow(
        "select injection_wh, imbalance_wh from trading.settlement_accounts where account = $1", account_of(PLANT)
    )
    assert plant is not None
    assert tuple(plant) == (0, -2_000)
    assert await db.fetchval("select sum(delivered_wh) from trading.trades") == 0
    assert await audit.check_and_store(db, None, CONTEXT, ZONE, SLOT) == []


async def test_advance__batch_too_large__fails_the_slot_alone_and_frees_its_locks(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trade(db)
    await meter(db)
    await computed(db)
    monkeypatch.setattr(settlement_batch, "MAX_ENTRIES", 3)

    (failed,) = await advance(db, CONTEXT)

    assert failed.state == "failed"
    assert failed.reason is not None
    assert failed.reason.startswith("batch-impossible: BadBatch: ")
    assert (await statuses(db), await locked(db)) == (["failed", "failed"], 0)
    await offer(db, NEIGHBOUR, BUY, 800, 240_000, END, DOMAIN)


@pytest.mark.parametrize("effect", ["baseline", "attest", "issue"])
async def test_advance__attestation_refused__fails_the_slot_and_frees_its_locks(db: Connection, effect: str) -> None:
    await trade(db)
    await meter(db)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
    await ledger.mine(db, fail=effect)

    (failed,) = await advance(db, CONTEXT)

    assert (failed.state, failed.reason) == ("failed", f"{effect}: MandateExceeded")
    assert (await statuses(db), await locked(db)) == (["failed", "failed"], 0)


async def test_advance__refused_for_good__frees_its_locks(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await computed(db)
    for _ in range(ATTEMPTS):
        await advance(db, CONTEXT)
        assert await locked(db) > 0
        await ledger.mine(db, fail="settle")
        await advance(db, CONTEXT)
    assert (await statuses(db), await locked(db)) == (["failed", "failed"], 0)


async def test_advance__reorganisation_takes_the_attestation__waits_for_it_again(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await computed(db)
    await advance(db, CONTEXT)
    await ledger.mine(db, fail="settle")
    await advance(db, CONTEXT)
    await db.execute("update wallet.outbox set state = 'sent', block_number = null where kind in ('attest', 'issue')")

    (back,) = await advance(db, CONTEXT)

    assert (back.state, back.reason) == ("computed", "its attestation is no longer on chain")
    assert await advance(db, CONTEXT) == []
    await db.execute("update wallet.outbox set state = 'mined', block_number = 12 where kind in ('attest', 'issue')")
    assert [change.state for change in await advance(db, CONTEXT)] == ["submitted"]


async def test_advance__attestation_fails_after_a_reorganisation__fails_the_slot(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await computed(db)
    await advance(db, CONTEXT)
    await ledger.mine(db, fail="settle")
    await advance(db, CONTEXT)
    await db.execute("update wallet.outbox set state = 'failed', error = 'RegisterFell' where kind = 'attest'")
    (failed,) = await advance(db, CONTEXT)
    assert (failed.state, failed.reason) == ("failed", "attest: RegisterFell")


async def test_advance__imbalance__leaves_what_is_held_for_the_next_slot(db: Connection) -> None:
    await trade(db)
    await offer(db, PLANT, SELL, 20_000, 100_000, END, DOMAIN)
    await offer(db, HOME, BUY, 20_000, 250_000, END, DOMAIN)
    await market.clear(db, RULES, ZONE, END, END - RULES.gate_lead_s)
    await meter(db, {**FLOWS, HOME: Flow(24_900)})
    await computed(db)
    held = int(
        await db.fetchval(
            "select locked_cash from trading.orders where trader = $1 and delivery_start = to_timestamp($2::bigint)",
            *(account_of(HOME), END),
        )
    )
    await change_account(HOME, f"cash = {held + 300_000}")(db)

    await finish(db)

    charge = await db.fetchrow(
        "select locked, shortfall from trading.settlement_charges where account = $1", account_of(HOME)
    )
    assert charge is not None
    assert int(charge["locked"]) == held
    assert int(charge["shortfall"]) > 0
    assert (await read.balance(db, CHAIN_ID, account_of(HOME))).cash == held
    await meter_next(db, END)
    await computed(db, END)
    await finish(db)
    assert await db.fetchval("select count(*) from trading.settlement_voids") == 0


async def test_compute__node_began_to_read_late__waits_the_grace_from_then(db: Connection) -> None:
    await trade(db)
    since = END + 500
    last = since + RULES.reading_grace_s - 1
    waiting = await compute(db, CONTEXT, ZONE, SLOT, last, reading_since_s=since)
    assert waiting == NotReady("meters are still to be read")
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, last + 1, reading_since_s=since), int)


async def test_compute__mirror_behind_the_slot__waits_for_it(db: Connection) -> None:
    await trade(db)
    await meter(db)
    await db.execute(
        "insert into blockchain.blocks (chain_id, number, hash, parent_hash, timestamp)"
        " values ($1, 10, $2, $2, to_timestamp($3::bigint))",
        *(CHAIN_ID, bytes(32), END - 1),
    )
    waiting = await compute(db, CONTEXT, ZONE, SLOT, END)
    assert waiting == NotReady("the mirrored chain has not reached the slot's end")
    await db.execute("update blockchain.blocks set timestamp = to_timestamp($1::bigint)", END)
    assert isinstance(await compute(db, CONTEXT, ZONE, SLOT, END), int)
