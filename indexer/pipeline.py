"""Writes in turn beside the reading that feeds them."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Work = Callable[[], Coroutine[Any, Any, T]]


class Writer(Generic[T]):
    """Runs writes one after the other beside its caller, few of them waiting, and leaves none behind.

    Where a write fails, those after it never start.
    """

    def __init__(self, waiting: int) -> None:
        """
        Args:
            waiting: so many writes may wait for the one that runs.
        """
        self._waiting = waiting
        self._tasks: deque[asyncio.Task[T]] = deque()

    async def __aenter__(self) -> "Writer[T]":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, Exception):
            for task in self._tasks:
                task.cancel()
        # What was handed over is whole and may be committed; the caller's fault is the one to tell of.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hand_over(self, work: Work[T]) -> list[T]:
        """Queues a write, waiting for room; returns what those gave that are done, in order."""
        before = self._tasks[-1] if self._tasks else None
        found = await self._done(self._waiting)
        self._tasks.append(asyncio.create_task(_after(before, work)))
        return found

    async def finish(self) -> list[T]:
        """Waits for all writes; returns what those gave that were not told yet."""
        return await self._done(0)

    async def _done(self, most: int) -> list[T]:
        """Takes finished writes out, and waits for others until at most so many are left."""
        found = []
        while self._tasks and (len(self._tasks) > most or self._tasks[0].done()):
            found.append(await self._tasks[0])
            self._tasks.popleft()
        return found


async def _after(before: asyncio.Task[T] | None, work: Work[T]) -> T:
    if before is not None:
        await before
    return await work()
