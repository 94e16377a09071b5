"""Orders that wait while others are written are taken together; what goes wrong reaches whom it concerns."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from api import intake as intakes
from api.intake import Intake
from api.limits import Busy
from node.market.book import BookOrder
from node.market.service import Accepted, Answer
from tests.unit.node.market.orders import entry

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)
ENTRIES = [entry(number) for number in range(1, 9)]


@dataclass
class Database:
    """Stands for pool and connection at once, and takes orders; ``gate`` holds a transaction back."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    batches: list[tuple[list[int], float]] = field(default_factory=list)
    faults: Iterator[Exception | None] = field(default_factory=lambda: iter(()))
    lost: bool = False

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator["Database"]:
        if self.lost:
            raise ConnectionRefusedError("away")
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    def is_closed(self) -> bool:
        return False

    async def accept(self, _db: Any, entries: Sequence[BookOrder], now_s: float) -> list[Answer]:
        nonces = [one.order.nonce for one in entries]
        self.batches.append((nonces, now_s))
        await self.gate.wait()
        fault = next(self.faults, None)
        if fault is not None:
            raise fault
        return [Accepted(nonce, one.digest, "open", NOON) for nonce, one in zip(nonces, entries, strict=True)]


@asynccontextmanager
async def running(database: Database, most: int = 100) -> AsyncIterator[Intake]:
    taking = Intake(database, database.accept, most=most)  # type: ignore[arg-type]
    task = asyncio.create_task(taking.run())
    try:
        yield taking
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def hand_in(taking: Intake, *numbers: int, now_s: float = 1.0) -> "asyncio.Task[list[Answer]]":
    task = asyncio.create_task(taking.enter([ENTRIES[number - 1] for number in numbers], now_s))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


def sequences(answers: Sequence[Answer]) -> list[int]:
    return [answer.sequence for answer in answers if isinstance(answer, Accepted)]


async def test_enter__while_a_batch_is_written__waits_and_goes_with_the_others() -> None:
    database = Database()
    async with running(database) as taking:
        first = await hand_in(taking, 1)
        others = [await hand_in(taking, 2, now_s=3.0), await hand_in(taking, 3, 4, now_s=2.0), await hand_in(taking, 5)]
        database.gate.set()
        assert sequences(await first) == [1]
        assert [sequences(await other) for other in others] == [[2], [3, 4], [5]]
    assert database.batches == [([1], 1.0), ([2, 3, 4, 5], 3.0)]


async def test_enter__more_than_a_batch_holds__goes_in_order_and_never_in_parts() -> None:
    database = Database()
    async with running(database, most=3) as taking:
        tasks = [await hand_in(taking, *numbers) for numbers in ((1,), (2, 3), (4, 5), (6, 7, 8))]
        database.gate.set()
        assert [sequences(await task) for task in tasks] == [[1], [2, 3], [4, 5], [6, 7, 8]]
    assert [numbers for numbers, _ in database.batches] == [[1], [2, 3], [4, 5], [6, 7, 8]]


async def test_enter__too_many_waiting__is_busy_and_the_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intakes, "MOST_WAITING", 3)
    database = Database()
    async with running(database) as taking:
        tasks = [await hand_in(taking, 1), await hand_in(taking, 2, 3)]
        with pytest.raises(Busy):
            await taking.enter(ENTRIES[3:6], 1.0)
        tasks.append(await hand_in(taking, 4))
        database.gate.set()
        assert [sequences(await task) for task in tasks] == [[1], [2, 3], [4]]


async def test_enter__one_order_the_database_refuses__harms_nobody_else() -> None:
    poison = asyncpg.DataError("out of range")
    database = Database(faults=iter([None, poison, None, poison, None]))
    async with running(database) as taking:
        tasks = [await hand_in(taking, number) for number in (1, 2, 3, 4)]
        database.gate.set()
        assert sequences(await tasks[0]) == [1]
        assert sequences(await tasks[1]) == [2]
        with pytest.raises(asyncpg.DataError):
            await tasks[2]
        assert sequences(await tasks[3]) == [4]
    assert [numbers for numbers, _ in database.batches] == [[1], [2, 3, 4], [2], [3], [4]]


async def test_enter__deadlock__batch_is_taken_once_more() -> None:
    database = Database(faults=iter([None, asyncpg.DeadlockDetectedError("deadlock")]))
    async with running(database) as taking:
        tasks = [await hand_in(taking, number) for number in (1, 2, 3)]
        database.gate.set()
        assert [sequences(await task) for task in tasks] == [[1], [2], [3]]
    assert [numbers for numbers, _ in database.batches] == [[1], [2, 3], [2, 3]]


DEADLOCKS = asyncpg.DeadlockDetectedError("deadlock"), asyncpg.DeadlockDetectedError("deadlock")


@pytest.mark.parametrize("faults", [(ConnectionResetError("gone"),), DEADLOCKS])
async def test_enter__database_away_in_the_middle__all_of_the_batch_hear_of_it_and_the_next_is_taken(
    faults: tuple[Exception, ...],
) -> None:
    database = Database(faults=iter([None, *faults]))
    async with running(database) as taking:
        tasks = [await hand_in(taking, number) for number in (1, 2, 3)]
        database.gate.set()
        await tasks[0]
        for task in tasks[1:]:
            with pytest.raises(type(faults[0])):
                await task
        assert sequences(await taking.enter([ENTRIES[3]], 1.0)) == [4]


async def test_enter__no_connection__fails_and_the_intake_goes_on() -> None:
    database = Database(lost=True)
    database.gate.set()
    async with running(database) as taking:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(taking.enter([ENTRIES[0]], 1.0), 1)
        database.lost = False
        assert sequences(await taking.enter([ENTRIES[1]], 1.0)) == [2]


async def test_enter__sender_gone__the_others_are_answered() -> None:
    database = Database()
    async with running(database) as taking:
        first, gone, last = [await hand_in(taking, number) for number in (1, 2, 3)]
        gone.cancel()
        database.gate.set()
        await first
        assert sequences(await last) == [3]
