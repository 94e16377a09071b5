"""One piece of work for all who ask for the same at the same time.

Whoever asks while it is under way waits for the next one: what he is told was read after he asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Joined(Generic[K, V]):
    """Runs at most one piece of work of each key at a time, and has at most one more waiting."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """What ``work`` gives, of one that begins now or later. Raises what it raises."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, work, self._running.get(key)))
            task.add_done_callback(partial(self._ended, key))
        # Who goes away takes nothing from the others.
        return await asyncio.shield(task)

    async def _run(self, key: K, work: Callable[[], Awaitable[V]], before: "asyncio.Task[V] | None") -> V:
        if before is not None:
            await asyncio.wait({before})
        self._running[key] = task = self._next.pop(key)
        try:
            return await work()
        finally:
            if self._running.get(key) is task:
                del self._running[key]

    def _ended(self, key: K, task: asyncio.Task[V]) -> None:
        if self._next.get(key) is task:  # cancelled while it waited for the one before
            del self._next[key]
        if not task.cancelled():
            task.exception()  # whoever wanted to know may have gone
