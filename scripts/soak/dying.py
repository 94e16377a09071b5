"""Processes that kill themselves with SIGKILL at a named step of the program.

They are forked from a server that has everything imported, so that one costs milliseconds.
"""

import asyncio
import importlib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from multiprocessing import get_context
from typing import Any, Final, NoReturn

FORK: Final = get_context("forkserver")
LIMIT_S: Final = 60.0


class NotReached(Exception):
    """The process did not come to the step at which it was to die."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the program: before or after a call of ``owner`` (``module`` or ``module:Class``)."""

    name: str
    owner: str
    call: str
    after: bool = False
    only: str | None = None
    """Calls whose first own argument is this; None for every call."""

    def arm(self) -> None:
        """From now on this process dies at the step."""
        module, _, kind = self.owner.partition(":")
        owner = importlib.import_module(module)
        owner = getattr(owner, kind) if kind else owner
        original = getattr(owner, self.call)
        setattr(owner, self.call, self._deadly(original))

    def _deadly(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def concerns(arguments: Sequence[Any]) -> bool:
            return self.only is None or self.only in arguments[:2]

        if asyncio.iscoroutinefunction(original):

            @wraps(original)
            async def waited(*arguments: Any, **named: Any) -> Any:
                if not concerns(arguments):
                    return await original(*arguments, **named)
                if self.after:
                    await original(*arguments, **named)
                die()

            return waited

        @wraps(original)
        def called(*arguments: Any, **named: Any) -> Any:
            if not concerns(arguments):
                return original(*arguments, **named)
            if self.after:
                original(*arguments, **named)
            die()

        return called


def die() -> NoReturn:
    """What ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives this")


def preload(modules: Sequence[str]) -> None:
    """Names what the server imports before the first process is started."""
    FORK.set_forkserver_preload(list(modules))


async def until_dead(
    work: Callable[..., None],
    *arguments: Any,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
    limit_s: float = LIMIT_S,
) -> None:
    """Runs ``work`` in a process of its own until it has killed itself.

    Raises:
        NotReached: it ended otherwise, or has not reached its step in time.
    """
    process = FORK.Process(target=work, args=arguments, daemon=True)
    process.start()
    end_s = asyncio.get_running_loop().time() + limit_s
    try:
        while process.is_alive() and asyncio.get_running_loop().time() < end_s:
            if meanwhile is not None:
                await meanwhile()
            await asyncio.sleep(0.005)
        if process.exitcode != -signal.SIGKILL:
            raise NotReached(f"{arguments[0]}: exit code {process.exitcode}")
    finally:
        process.kill()
        process.join()
