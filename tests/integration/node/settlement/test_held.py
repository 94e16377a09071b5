"""What an account's orders hold of its cash while a slot of several batches is settled."""

import pytest

from indexer.db import Connection
from node.audit import service as audit
from node.market.refusals import InsufficientCollateral
from node.settlement import reads
from node.settlement.service import compute
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.test_batches import SMALL, finish, step
from tests.integration.node.settlement.village import (
    BUY,
    CHAIN_ID,
    DOMAIN,
    END,
    FLOWS,
    HOME,
    NEIGHBOUR,
    PLANT,
    SLOT,
    ZONE,
    Flow,
    account_of,
    meter,
    offer,
    trade,
)

pytestmark = pytest.mark.integration

ORDERS = (HOME, NEIGHBOUR, PLANT)


async def held(db: Connection) -> tuple[int, ...]:
    query = "select coalesce(sum(cash), 0) from trading.held_cash($1, $2)"
    return tuple([int(await db.fetchval(query, CHAIN_ID, account_of(number))) for number in ORDERS])


async def begin(db: Connection) -> None:
    """The plant sold 2,000 Wh at 0.16 and fed in nothing; its first batch is on its way."""
    await trade(db)
    await meter(db, {**FLOWS, PLANT: Flow()})
    assert isinstance(await compute(db, SMALL, ZONE, SLOT, END), int)
    await ledger.mine(db)


async def test_held_cash__sellers_batch_by_batch__hold_what_replacing_costs_until_the_slot_is_over(
    db: Connection,
) -> None:
    await begin(db)
    at_gate = (216_000, 144_000, 320_000)
    assert await held(db) == at_gate
    await step(db)
    # The chain has the first batch, and the settlement has not been told of it yet.
    assert await held(db) == (0, 144_000, 1_200 * 320 + 800 * 160)
    await step(db)
    assert await held(db) == (0, 0, 640_000)
    await step(db)
    assert await db.fetchval("select count(*) from trading.trades where settlement_status = 'settled'") == 2
    assert await held(db) == (0, 0, 640_000)
    await finish(db)
    assert await held(db) == (0, 0, 0)


async def test_accept_order__seller_paid_and_not_charged_yet__cannot_spend_what_the_imbalance_costs(
    db: Connection,
) -> None:
    await begin(db)
    for _ in range(3):
        await step(db)
    # 10.32 of cash, of which 0.64 is held.
    with pytest.raises(InsufficientCollateral):
        await offer(db, PLANT, BUY, 24_250, 400_000, END, DOMAIN)
    await offer(db, PLANT, BUY, 24_200, 400_000, END, DOMAIN)

    assert (await finish(db))[-1] == "settled"

    (line,) = await reads.accounts(db, (await reads.settlement(db, ZONE, SLOT)).settlement_id, account_of(PLANT))
    assert (line.imbalance_wh, line.shortfall) == (-2_000, 0)
    assert await audit.check_slot(db, None, SMALL, ZONE, SLOT) == []
