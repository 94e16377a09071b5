"""Entering and withdrawing orders on a real database."""

from dataclasses import replace

import pytest

from contracts.typed_data import Order, order_digest
from indexer.db import Connection
from node.market import ledger, refusals, sequence, service
from node.market.orders import MOST_ENTERED_ORDERS, MOST_OPEN_ORDERS
from tests.integration.node.market.community import (
    BUY,
    CHAIN_ID,
    DOMAIN,
    GATE,
    NOW,
    RULES,
    SELL,
    SLOT,
    ZONE,
    accept,
    clear,
    enrol,
)

pytestmark = pytest.mark.integration


async def test_accept__good_order__is_sequenced_locked_and_logged(db: Connection) -> None:
    trader = await enrol(db, 1)
    order, signature = trader.order(BUY, 1_000, 250_000)

    accepted = await accept(db, (order, signature))

    assert (accepted.sequence, accepted.status, accepted.duplicate) == (1, "open", False)
    assert accepted.digest == order_digest(DOMAIN, order)
    assert accepted.received_at.timestamp() == NOW
    stored = await service.order(db, accepted.digest)
    assert stored is not None
    assert (stored.locked_cash, stored.trader, stored.signature) == (250_000, trader.address, signature)
    assert await service.locked_cash(db, CHAIN_ID, trader.address) == 250_000
    (event,) = await ledger.events(db)
    assert (event.kind, event.subject) == ("order_accepted", accepted.digest)
    assert signature in event.payload


async def test_accept__same_order_again__is_the_first_even_after_the_gate(db: Connection) -> None:
    trader = await enrol(db, 1)
    entry = trader.order(SELL, 1_000, 250_000)
    first = await accept(db, entry)

    again = await accept(db, entry)
    late = await accept(db, entry, now_s=GATE + 5)

    assert again == late == replace(first, duplicate=True)
    assert len(await ledger.events(db)) == 1


async def test_accept__beyond_free_cash__is_refused_with_both_amounts(db: Connection) -> None:
    trader = await enrol(db, 1, cash=500_000)
    await accept(db, trader.order(BUY, 1_000, 300_000))

    with pytest.raises(refusals.InsufficientCollateral, match="needed=200100, free=200000"):
        await accept(db, trader.order(BUY, 1_999, 100_100))

    assert len(await ledger.events(db)) == 1


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("delete from blockchain.participants", "not-cleared"),
        ("update blockchain.participants set flags = 7", "frozen"),
        ("update blockchain.participants set flags = 1", "wrong-role"),
        ("update blockchain.participants set kyc_until = 'epoch'", "not-cleared"),
        ("delete from blockchain.mandates", "mandate-missing"),
        ("update blockchain.account_balances set nonce = 2", "stale-nonce"),
        ("update telemetry.meters set fuse_w = 3996", "position-limit"),
        ("update telemetry.meters set active = false", "position-limit"),
        ("delete from telemetry.meters", "unknown-zone"),
        ("delete from blockchain.account_balances", "insufficient-collateral"),
    ],
)
async def test_accept__something_missing__is_refused_by_its_code(db: Connection, missing: str, code: str) -> None:
    trader = await enrol(db, 1)
    await db.execute(missing)

    with pytest.raises(refusals.OrderRefused) as refusal:
        await accept(db, trader.order(BUY, 1_000, 250_000))

    assert refusal.value.code == code
    assert await ledger.events(db) == []


async def test_accept__state_of_another_chain__does_not_count(db: Connection) -> None:
    trader = await enrol(db, 1)
    await db.execute("update blockchain.account_balances set chain_id = 1")

    with pytest.raises(refusals.InsufficientCollateral):
        await accept(db, trader.order(BUY, 1_000, 250_000))


async def test_accept__mandate_already_charged__counts_only_what_is_left(db: Connection) -> None:
    trader = await enrol(db, 1)
    await db.execute(
        "insert into blockchain.settled_imbalances values ($1, 1, 0, 0, '\\x00', 0, now(), 0, $2, -999700000)",
        CHAIN_ID,
        trader.address,
    )

    with pytest.raises(refusals.MandateTooSmall, match="needed=320000, covered=300000"):
        await accept(db, trader.order(SELL, 1_000, 250_000))


async def test_accept__positions_of_one_slot__add_up_per_side(db: Connection) -> None:
    trader = await enrol(db, 1, fuse_w=4_000)  # 1,000 Wh in 15 minutes
    await accept(db, trader.order(BUY, 600, 250_000))
    await accept(db, trader.order(SELL, 1_000, 250_000))

    with pytest.raises(refusals.OverPositionLimit, match="position_wh=1001, limit_wh=1000"):
        await accept(db, trader.order(BUY, 401, 250_000))
    await accept(db, trader.order(BUY, 400, 250_000))


async def test_accept__lane_with_open_order__is_in_use_until_cancelled(db: Connection) -> None:
    trader = await enrol(db, 1)
    first = await accept(db, trader.order(BUY, 1_000, 250_000, lane=7))
    second = trader.order(BUY, 1_000, 250_000, lane=7, nonce=2)

    with pytest.raises(refusals.LaneInUse, match=first.digest.hex()):
        await accept(db, second)
    async with db.transaction():
        await service.cancel_order(db, RULES, trader.address, first.digest, NOW)
    assert (await accept(db, second)).sequence == 3
    with pytest.raises(refusals.StaleNonce, match="nonce=2, least=3"):
        await accept(db, trader.order(SELL, 1_000, 250_000, lane=7, nonce=2))


async def test_accept__lane_with_matched_order__is_in_use_until_settled(db: Connection) -> None:
    trader, other = await enrol(db, 1), await enrol(db, 2)
    await accept(db, trader.order(BUY, 1_000, 250_000, lane=7))
    await accept(db, other.order(SELL, 1_000, 100_000))
    await clear(db)
    later = trader.order(BUY, 1_000, 250_000, lane=7, nonce=2, delivery_start=SLOT + 900)

    with pytest.raises(refusals.LaneInUse):
        await accept(db, later, GATE + 1)
    async with db.transaction():
        await service.release_locks(db, SLOT, ZONE)
    assert await service.locked_cash(db, CHAIN_ID, trader.address) == 0
    assert (await accept(db, later, GATE + 1)).status == "open"


async def test_accept__own_lane__takes_one_order_for_each_slot(db: Connection) -> None:
    trader, other = await enrol(db, 1), await enrol(db, 2)
    first = await accept(db, trader.order(BUY, 1_000, 250_000, lane=0))
    later = trader.order(BUY, 1_000, 250_000, lane=0, nonce=2, delivery_start=SLOT + 900)
    assert (await accept(db, later)).status == "open"
    with pytest.raises(refusals.LaneInUse, match=first.digest.hex()):
        await accept(db, trader.order(SELL, 1_000, 250_000, lane=0, nonce=3))
    await accept(db, other.order(SELL, 1_000, 100_000))
    await clear(db)
    # Matched and not settled yet, the earlier order keeps no other slot waiting.
    last = trader.order(BUY, 1_000, 250_000, lane=0, nonce=3, delivery_start=SLOT + 1_800)
    assert (await accept(db, last, GATE + 1)).status == "open"


@pytest.mark.parametrize("status", ["settled", "failed"])
async def test_accept__trade_settled_or_failed__lane_and_cash_are_free(db: Connection, status: str) -> None:
    trader, other = await enrol(db, 1, cash=300_000), await enrol(db, 2)
    first = await accept(db, trader.order(BUY, 1_000, 300_000, lane=7))
    await accept(db, other.order(SELL, 1_000, 280_000))
    await clear(db)
    later = trader.order(BUY, 1_000, 300_000, lane=7, nonce=2, delivery_start=SLOT + 900)
    with pytest.raises(refusals.LaneInUse, match=first.digest.hex()):
        await accept(db, later, GATE + 1)

    await db.execute("update trading.trades set settlement_status = $1", status)

    assert await service.locked_cash(db, CHAIN_ID, trader.address) == 0
    assert (await accept(db, later, GATE + 1)).status == "open"


async def test_release_locks__failed_trade__stays_failed_and_cash_is_free(db: Connection) -> None:
    home, plant = await enrol(db, 1), await enrol(db, 2)
    await accept(db, home.order(BUY, 1_000, 300_000))
    await accept(db, home.order(BUY, 1_000, 290_000))
    await accept(db, plant.order(SELL, 2_000, 200_000))
    await clear(db)
    await db.execute("update trading.trades set settlement_status = 'failed' where trade_number = 0")

    await service.release_locks(db, SLOT, ZONE)

    assert {trade.settlement_status for trade in await service.trades(db)} == {"failed", "settled"}
    assert await service.locked_cash(db, CHAIN_ID, home.address) == 0


async def test_accept__cash_announced_for_withdrawal__is_not_free(db: Connection) -> None:
    trader = await enrol(db, 1, cash=500_000)
    await db.execute("update blockchain.account_balances set pending_cash = 250001")

    with pytest.raises(refusals.InsufficientCollateral, match="needed=250000, free=249999"):
        await accept(db, trader.order(BUY, 1_000, 250_000))
    await accept(db, trader.order(BUY, 999, 250_000))


async def test_accept__as_many_orders_as_allowed__next_one_is_refused_until_one_is_cancelled(db: Connection) -> None:
    trader = await enrol(db, 1)
    batch = [trader.order(number % 2, 10, 250_000) for number in range(MOST_OPEN_ORDERS)]
    first, *_ = [await accept(db, entry) for entry in batch]
    next_one = trader.order(BUY, 10, 250_000)

    with pytest.raises(refusals.TooManyOrders, match="open_orders=32, limit=32"):
        await accept(db, next_one)
    await accept(db, trader.order(BUY, 10, 250_000, delivery_start=SLOT + 900))
    async with db.transaction():
        await service.cancel_order(db, RULES, trader.address, first.digest, NOW)
    assert (await accept(db, next_one)).status == "open"


async def test_accept__a_thousand_orders_that_are_gone__are_all_that_a_trader_may_enter_in_a_slot(
    db: Connection,
) -> None:
    trader, other = await enrol(db, 1), await enrol(db, 2)
    gone = await accept(db, trader.order(BUY, 10, 250_000))
    async with db.transaction():
        await service.cancel_order(db, RULES, trader.address, gone.digest, NOW)
    row = dict(await db.fetchrow("select * from trading.orders") or {})
    names = [name for name in row if name not in ("order_id", "digest", "sequence", "lane", "status")]
    await db.execute(
        f"insert into trading.orders ({', '.join(names)}, digest, sequence, lane, status)"
        f" select {', '.join(names)}, sha256(n::text::bytea), n + 10, n + 100,"
        " (array['cancelled', 'expired', 'unmatched'])[n % 3 + 1]"
        " from trading.orders, generate_series(2, $1) as n",
        MOST_ENTERED_ORDERS - 1,
    )
    assert (await accept(db, trader.order(BUY, 10, 250_000))).status == "open"

    with pytest.raises(refusals.TooManyOrders, match="entered_orders=1000, limit=1000"):
        await accept(db, trader.order(BUY, 10, 250_000))
    await accept(db, trader.order(BUY, 10, 250_000, delivery_start=SLOT + 900))
    await accept(db, other.order(BUY, 10, 250_000))


async def test_cancel__open_order__frees_cash_and_is_idempotent(db: Connection) -> None:
    trader = await enrol(db, 1)
    accepted = await accept(db, trader.order(BUY, 1_000, 250_000))

    async with db.transaction():
        first = await service.cancel_order(db, RULES, trader.address, accepted.digest, NOW)
        again = await service.cancel_order(db, RULES, trader.address, accepted.digest, GATE + 1)

    assert first.status == again.status == "cancelled"
    assert await service.locked_cash(db, CHAIN_ID, trader.address) == 0
    assert [event.kind for event in await ledger.events(db)] == ["order_accepted", "order_cancelled"]
    assert (await clear(db)).order_count == 0


async def test_cancel__after_the_gate_or_by_another__is_refused(db: Connection) -> None:
    trader, other = await enrol(db, 1), await enrol(db, 2)
    accepted = await accept(db, trader.order(BUY, 1_000, 250_000))

    with pytest.raises(refusals.OrderNotFound):
        await service.cancel_order(db, RULES, other.address, accepted.digest, NOW)
    with pytest.raises(refusals.CancelTooLate):
        await service.cancel_order(db, RULES, trader.address, accepted.digest, GATE)


async def test_accept_orders__mixed_batch__answers_each_by_itself(db: Connection) -> None:
    trader = await enrol(db, 1, cash=300_000)
    good, forged, poor = (trader.order(BUY, 1_000, 250_000) for _ in range(3))
    absurd: Order = replace(good[0], side=9)

    async with db.transaction():
        answers = await service.accept_orders(
            db, RULES, DOMAIN, CHAIN_ID, [good, (forged[0], good[1]), poor, (absurd, good[1]), good], NOW
        )

    assert isinstance(answers[0], service.Accepted)
    assert isinstance(answers[1], refusals.WrongSignature)
    assert isinstance(answers[2], refusals.InsufficientCollateral)
    assert isinstance(answers[3], refusals.FieldInvalid)
    assert answers[4] == replace(answers[0], duplicate=True)
    assert sequence.first_fault(await ledger.events(db)) is None


async def test_accept__settled_on_chain_but_lock_not_freed_yet__cash_is_not_counted_twice(db: Connection) -> None:
    trader, other = await enrol(db, 1, cash=500_000), await enrol(db, 2)
    await accept(db, trader.order(BUY, 1_000, 300_000, lane=7))
    await accept(db, other.order(SELL, 1_000, 280_000))
    await clear(db)
    later = trader.order(BUY, 1_000, 200_000, delivery_start=SLOT + 900)
    with pytest.raises(refusals.InsufficientCollateral, match="needed=200000, free=199999"):
        await db.execute("update trading.orders set locked_cash = 300001 where locked_cash = 300000")
        await accept(db, later, GATE + 1)

    await db.execute("update blockchain.account_balances set cash = 200000 where account = $1", trader.address)
    await db.execute(
        "insert into blockchain.settled_orders"
        " values ($1, 9, 0, 0, '\\x00', 0, to_timestamp($2::bigint), 0, $3, 0, $4, 7, 1, 1000, 300000, 1000)",
        CHAIN_ID,
        SLOT,
        trader.address,
        ZONE,
    )

    assert (await accept(db, later, GATE + 1)).status == "open"
    async with db.transaction():
        cleared = await service.clear(db, RULES, ZONE, SLOT + 900, GATE + 900, chain_id=CHAIN_ID)
    assert cleared.order_count == 1
