"""The clock every process is given: real time, or a simulated time that runs faster."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells and waits for market time."""

    @property
    def rate(self) -> float:
        """Market seconds per real second."""
        ...

    def now(self) -> datetime:
        """Market time, aware UTC."""
        ...

    def now_s(self) -> float:
        """Market time in Unix seconds."""
        ...

    async def sleep_until(self, time_s: float) -> None:
        """Returns once market time has reached ``time_s`` (Unix seconds); at once if it has."""
        ...


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """Market time that was ``market_anchor_s`` when real time was ``real_anchor_s``, and runs at ``rate``.

    A rate of 1 with equal anchors is real time. Text form: ``real:market:rate``, e.g. ``1750000000:1718000000:150``.
    """

    real_anchor_s: float = 0.0
    market_anchor_s: float = 0.0
    rate: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "SimulatedClock":
        """Reads the text form.

        Raises:
            ValueError: the text is not three numbers, or the rate is not positive.
        """
        real, market, rate = (float(part) for part in text.split(":"))
        if not 0 < rate < float("inf"):
            raise ValueError(f"clock rate must be positive, not {rate}")
        return cls(real, market, rate)

    def __str__(self) -> str:
        return f"{self.real_anchor_s!r}:{self.market_anchor_s!r}:{self.rate!r}"

    def now_s(self) -> float:
        return self.at(time.time())

    def at(self, real_s: float) -> float:
        """Market time in Unix seconds at a real time in Unix seconds."""
        return self.market_anchor_s + (real_s - self.real_anchor_s) * self.rate

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_s(), UTC)

    async def sleep_until(self, time_s: float) -> None:
        while (left_s := (time_s - self.now_s()) / self.rate) > 0:  # noqa: ASYNC110 -- time is waited for, no event
            await asyncio.sleep(min(left_s, 60.0))
