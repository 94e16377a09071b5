"""Many connections at once: nothing is sold twice, lost, or accepted late."""

import asyncio
import random

import pytest

from contracts.errors import GridtraceError
from contracts.typed_data import Order
from indexer.db import Pool
from node.market import ledger, refusals, sequence, service
from node.market.book import BookOrder
from node.market.orders import signed
from tests.integration.node.market.community import (
    BUY,
    CHAIN_ID,
    DOMAIN,
    NOW,
    RULES,
    SELL,
    SLOT,
    accept,
    clear,
    enrol,
)

pytestmark = pytest.mark.integration


async def answer(pool: Pool, entry: tuple[Order, bytes]) -> service.Accepted | GridtraceError:
    async with pool.acquire() as db:
        try:
            return await accept(db, entry)
        except GridtraceError as refusal:
            return refusal


async def test_accept__concurrent_traders__leave_an_unbroken_chain(pool: Pool) -> None:
    async with pool.acquire() as db:
        traders = [await enrol(db, number) for number in range(1, 13)]
    entries = [trader.order(BUY, 100, 270_000) for trader in traders for _ in range(4)]

    answers = await asyncio.gather(*(answer(pool, entry) for entry in entries))

    assert all(isinstance(accepted, service.Accepted) for accepted in answers)
    async with pool.acquire() as db:
        events = await ledger.events(db)
    assert [event.sequence for event in events] == list(range(1, 49))
    assert sequence.first_fault(events) is None


async def test_accept__one_trader_concurrently__never_locks_more_than_he_has(pool: Pool) -> None:
    async with pool.acquire() as db:
        trader = await enrol(db, 1, cash=1_000_000)
    entries = [trader.order(BUY, 1_000, 300_000) for _ in range(12)]

    answers = await asyncio.gather(*(answer(pool, entry) for entry in entries))

    assert sum(isinstance(accepted, service.Accepted) for accepted in answers) == 3
    assert sum(isinstance(refused, refusals.InsufficientCollateral) for refused in answers) == 9
    async with pool.acquire() as db:
        assert await service.locked_cash(db, CHAIN_ID, trader.address) == 900_000


async def test_accept__same_order_concurrently__is_sequenced_once(pool: Pool) -> None:
    async with pool.acquire() as db:
        trader = await enrol(db, 1)
    entry = trader.order(BUY, 1_000, 300_000)

    answers = await asyncio.gather(*(answer(pool, entry) for _ in range(6)))

    accepted = [one for one in answers if isinstance(one, service.Accepted)]
    assert len(accepted) == 6
    assert {one.sequence for one in accepted} == {1}
    assert sum(not one.duplicate for one in accepted) == 1


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.01])
async def test_accept__racing_the_clearing__acknowledged_orders_are_in_the_book(pool: Pool, delay_s: float) -> None:
    async with pool.acquire() as db:
        traders = [await enrol(db, number) for number in range(1, 9)]
    entries = [trader.order(side, 100, 270_000) for trader in traders for side in (BUY, SELL)]

    async def cleared() -> service.Auction:
        await asyncio.sleep(delay_s)
        async with pool.acquire() as db:
            return await clear(db)

    clearing = asyncio.create_task(cleared())
    answers = await asyncio.gather(*(answer(pool, entry) for entry in entries))
    auction = await clearing

    async with pool.acquire() as db:
        published = await service.book(db, 1, auction.delivery_start)
        orders = await service.orders(db)
        events = await ledger.events(db)
    acknowledged = {one.digest for one in answers if isinstance(one, service.Accepted)}
    refused = [one for one in answers if isinstance(one, GridtraceError)]
    assert {entry.digest for entry in published.orders} == acknowledged
    assert all(isinstance(one, refusals.GateClosed) for one in refused)
    assert len(acknowledged) + len(refused) == 16
    assert "open" not in {order.status for order in orders}
    assert sequence.first_fault(events) is None


async def test_accept__transaction_that_dies__leaves_no_gap(pool: Pool) -> None:
    async with pool.acquire() as db:
        trader = await enrol(db, 1)
        lost, kept = trader.order(BUY, 100, 270_000), trader.order(BUY, 100, 270_000)
        transaction = db.transaction()
        await transaction.start()
        await service.accept_order(db, RULES, DOMAIN, CHAIN_ID, *lost, 1_750_000_100.0)
        await transaction.rollback()

        assert (await accept(db, kept)).sequence == 1
        assert (await accept(db, lost)).sequence == 2
        assert sequence.first_fault(await ledger.events(db)) is None


async def test_accept_signed__batches_of_several_processes__each_order_once_and_no_cash_twice(pool: Pool) -> None:
    async with pool.acquire() as db:
        traders = [await enrol(db, number, cash=1_000_000) for number in range(1, 6)]
    entries = [
        signed(DOMAIN, *trader.order(BUY, 1_000, 300_000, delivery_start=SLOT + 900 * (number % 3)))
        for number in range(8)
        for trader in traders
    ]
    shuffled = [random.Random(process).sample(entries, len(entries)) for process in range(4)]

    async def process(mine: list[BookOrder]) -> list[service.Answer]:
        found: list[service.Answer] = []
        for at in range(0, len(mine), 10):
            async with pool.acquire() as db, db.transaction():
                found += await service.accept_signed(db, RULES, CHAIN_ID, mine[at : at + 10], NOW)
        return found

    answers = [one for found in await asyncio.gather(*map(process, shuffled)) for one in found]

    accepted = [one for one in answers if isinstance(one, service.Accepted)]
    new = [one for one in accepted if not one.duplicate]
    async with pool.acquire() as db:
        events = await ledger.events(db)
        locked = [await service.locked_cash(db, CHAIN_ID, trader.address) for trader in traders]
    assert locked == [900_000] * 5
    assert len(new) == len({one.digest for one in accepted}) == len(events) == 15
    assert {type(one) for one in answers} == {service.Accepted, refusals.InsufficientCollateral}
    assert sequence.first_fault(events) is None
