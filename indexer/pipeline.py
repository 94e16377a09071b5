"""One write at a time beside the reading that feeds it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Writer(Generic[T]):
    """Runs one write at a time beside its caller, and leaves none behind."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def __aenter__(self) -> "Writer[T]":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._task is None:
            return
        if kind is not None and not issubclass(kind, Exception):
            self._task.cancel()
        # What was handed over is whole and may be committed; the caller's fault is the one to tell of.
        await asyncio.gather(self._task, return_exceptions=True)

    async def hand_over(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Starts a write once the one before is done; returns what that one gave."""
        try:
            done = await self.finish()
        except BaseException:
            work.close()
            raise
        self._task = asyncio.create_task(work)
        return done

    async def finish(self) -> T | None:
        """Waits for the write that runs; returns what it gave, None where none runs."""
        if self._task is None:
            return None
        task, self._task = self._task, None
        return await task
