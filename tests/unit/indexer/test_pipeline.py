"""Writes run in turn, few wait, and none outlives the writer."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from indexer.pipeline import Writer


class Desk:
    """Writes that are let go one at a time."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.gates: dict[int, asyncio.Future[int]] = {}

    def work(self, number: int) -> Callable[[], Coroutine[Any, Any, int]]:
        async def run() -> int:
            self.started.append(number)
            self.gates[number] = asyncio.get_running_loop().create_future()
            return await self.gates[number]

        return run


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_writer__several_handed_over__run_in_turn_and_as_many_wait_as_may() -> None:
    desk = Desk()
    async with Writer[int](1) as writer:
        assert await writer.hand_over(desk.work(1)) == []
        assert await writer.hand_over(desk.work(2)) == []
        third = asyncio.create_task(writer.hand_over(desk.work(3)))
        await settle()
        assert desk.started == [1] and not third.done()
        desk.gates[1].set_result(10)
        await settle()
        assert third.done() and third.result() == [10] and desk.started == [1, 2]
        desk.gates[2].set_result(20)
        await settle()
        desk.gates[3].set_result(30)
        assert await writer.finish() == [20, 30]


async def test_writer__one_fails__those_after_it_never_start_and_the_caller_hears_why() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="full"):
        async with Writer[int](2) as writer:
            for number in (1, 2, 3):
                await writer.hand_over(desk.work(number))
            await settle()
            desk.gates[1].set_exception(ValueError("full"))
            await writer.finish()
    assert desk.started == [1]


async def test_writer__reader_fails__what_was_handed_over_is_written() -> None:
    desk = Desk()
    done: list[int] = []

    async def write() -> int:
        await asyncio.sleep(0)
        done.append(1)
        return 1

    with pytest.raises(RuntimeError, match="reader"):
        async with Writer[int](1) as writer:
            await writer.hand_over(write)
            await writer.hand_over(write)
            raise RuntimeError("reader")
    assert done == [1, 1] and not desk.started


async def test_writer__cancelled__ends_what_runs_and_what_waits() -> None:
    desk = Desk()

    async def reader() -> None:
        async with Writer[int](1) as writer:
            await writer.hand_over(desk.work(1))
            await writer.hand_over(desk.work(2))
            await asyncio.Event().wait()

    task = asyncio.create_task(reader())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.started == [1] and desk.gates[1].cancelled()
