"""How each endpoint has behaved: how fast, how often wrong, how fresh; and how much may be asked of it at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol
from urllib.parse import urlsplit

from indexer.limits import Kind, Limit
from indexer.transport import Line

MOST_AT_ONCE: Final = 64
FIRST_AT_ONCE: Final = 16
"""Open from the start: a private node has no limits to find out about."""
WEIGHT: Final = 0.2
"""Of the newest sample in an average."""
ERROR_PENALTY: Final = 20.0
FIRST_ASIDE_S: Final = 1.0
LONGEST_ASIDE_S: Final = 300.0
DEFAULT_LATENCY_S: Final = 0.05
LATER_CHOICE: Final = 1.5
"""What is named later must be this much better to be chosen."""
SERIOUS_ASIDE_S: Final = 30.0
RATE_PAUSE_S: Final = 1.0


class Watcher(Protocol):
    """Who counts what endpoints do."""

    def endpoint(self, name: str) -> None: ...
    def endpoint_fault(self, name: str, kind: str) -> None: ...
    def endpoint_used(self, name: str, *, used: bool) -> None: ...


class Nobody:
    """Counts nothing."""

    def endpoint(self, name: str) -> None: ...
    def endpoint_fault(self, name: str, kind: str) -> None: ...
    def endpoint_used(self, name: str, *, used: bool) -> None: ...


class Endpoint:
    """One address of the chain, and what is known of it."""

    def __init__(self, name: str, line: Line, place: int) -> None:
        self.name = name
        self.line = line
        self.place = place
        """In the order of preference."""
        self.latency_s = DEFAULT_LATENCY_S
        self.error_rate = 0.0
        self.head: int | None = None
        self.is_proven = False
        """Whether it was ever of the right chain."""
        self.aside_until_s = 0.0
        self.reason = ""
        self.most_calls: int | None = None
        """Calls that it takes in one batch; None where no limit was met."""
        self.anchored = False
        """Whether it was seen to have the indexed chain."""
        self._asides = 0
        self._at_once = float(FIRST_AT_ONCE)
        self._active = 0
        self._paused_until_s = 0.0
        self._freed = asyncio.Event()

    def score(self) -> float:
        """Lower is better."""
        return self.latency_s * (1 + ERROR_PENALTY * self.error_rate) * (LATER_CHOICE if self.place else 1.0)

    def is_aside(self, now_s: float) -> bool:
        return now_s < self.aside_until_s

    def served(self) -> None:
        """A batch was answered."""
        self.error_rate *= 1 - WEIGHT
        self._asides = 0
        if self._active >= int(self._at_once):
            self._at_once = min(self._at_once + 1 / self._at_once, MOST_AT_ONCE)

    def failed(self) -> None:
        """A batch was not answered."""
        self.error_rate += WEIGHT * (1 - self.error_rate)

    def timed(self, seconds: float) -> None:
        """A light request took so long."""
        self.latency_s += WEIGHT * (seconds - self.latency_s)

    def slow_down(self, limit: Limit) -> None:
        """The endpoint asked for less."""
        if limit.kind is Kind.RATE:
            self._at_once = max(1.0, self._at_once / 2)
            self._paused_until_s = time.monotonic() + (RATE_PAUSE_S if limit.retry_s is None else limit.retry_s)

    def put_aside(self, reason: str, *, least_s: float = FIRST_ASIDE_S) -> float:
        """Not to be asked for a while, longer every time; returns for how long, in seconds."""
        span_s: float = min(least_s * 2**self._asides, LONGEST_ASIDE_S)
        self._asides += 1
        self.aside_until_s, self.reason = time.monotonic() + span_s, reason
        return span_s

    @asynccontextmanager
    async def slot(self, *, is_patient: bool) -> AsyncIterator[None]:
        """One of the requests that may run at once; ``is_patient`` waits while the endpoint wants to be left alone."""
        while self._active >= int(self._at_once):
            self._freed.clear()
            await self._freed.wait()
        self._active += 1
        try:
            if is_patient and (pause_s := self._paused_until_s - time.monotonic()) > 0:
                await asyncio.sleep(pause_s)
            yield
        finally:
            self._active -= 1
            self._freed.set()


def names(urls: Sequence[str]) -> list[str]:
    """Hosts, told apart where one stands twice; never paths, in which many addresses carry a key."""
    found: list[str] = []
    for url in urls:
        parts = urlsplit(url)
        host = parts.hostname or "?"
        name = f"{host}:{parts.port}" if parts.port else host
        same = sum(one == name or one.startswith(f"{name}#") for one in found)
        found.append(f"{name}#{same + 1}" if same else name)
    return found
