"""One piece of work for all who ask at the same time, begun after they asked."""

import asyncio
import gc

import pytest

from api.joined import Joined


class Work:
    """Counts how often it is done, and is done when told so."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        return number


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_get__many_ask_at_once__is_done_once() -> None:
    joined, work = Joined[str, int](), Work()
    asking = [asyncio.create_task(joined.get("a", work)) for _ in range(10)]
    await turns()
    work.may_end.set()
    assert await asyncio.gather(*asking) == [1] * 10


async def test_get__asked_while_it_is_under_way__is_told_of_the_next() -> None:
    joined, work = Joined[str, int](), Work()
    first = asyncio.create_task(joined.get("a", work))
    await turns()
    later = [asyncio.create_task(joined.get("a", work)) for _ in range(3)]
    await turns()
    assert work.begun == 1
    work.may_end.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 3
    assert await joined.get("a", work) == 3


async def test_get__other_keys__wait_for_nobody() -> None:
    joined, work = Joined[str, int](), Work()
    asking = [asyncio.create_task(joined.get(key, work)) for key in "abc"]
    await turns()
    assert work.begun == 3
    work.may_end.set()
    assert sorted(await asyncio.gather(*asking)) == [1, 2, 3]


async def test_get__one_goes_away__others_are_answered() -> None:
    joined, work = Joined[str, int](), Work()
    leaving, staying = (asyncio.create_task(joined.get("a", work)) for _ in range(2))
    await turns()
    leaving.cancel()
    await turns()
    work.may_end.set()
    assert await staying == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_get__work_fails__all_hear_of_it_and_the_next_begins_anew() -> None:
    joined: Joined[str, int] = Joined()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    asking = [joined.get("a", fail) for _ in range(3)]
    assert [str(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == ["no"] * 3

    async def work() -> int:
        return 7

    assert await joined.get("a", work) == 7


async def test_get__work_fails_when_nobody_waits_any_more__is_no_fault_of_the_loop() -> None:
    joined: Joined[str, int] = Joined()
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    may_fail = asyncio.Event()

    async def fail() -> int:
        await may_fail.wait()
        raise ValueError("no")

    leaving = asyncio.create_task(joined.get("a", fail))
    await turns()
    leaving.cancel()
    await turns()
    may_fail.set()
    await turns()
    gc.collect()
    assert faults == []


async def test_get__cancelled_while_it_waits_for_the_one_before__the_next_begins_anew() -> None:
    joined, work = Joined[str, int](), Work()
    first = asyncio.create_task(joined.get("a", work))
    await turns()
    second = asyncio.create_task(joined.get("a", work))
    await turns()
    joined._next["a"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    work.may_end.set()
    assert await first == 1
    assert await joined.get("a", work) == 2
