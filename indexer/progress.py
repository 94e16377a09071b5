"""How far a long stretch has come: for the log now and then, for a terminal all the time."""

import logging
import sys
import time
from typing import Final, TextIO

from indexer.sync import Advanced, Outcome, Reorg

logger = logging.getLogger(__name__)

LOG_EVERY_S: Final = 10.0
BAR_WIDTH: Final = 30


class Progress:
    """Tells of one chain's way to its head."""

    def __init__(self, chain_id: int, terminal: TextIO | None = None) -> None:
        self._chain_id = chain_id
        self._terminal = terminal
        self._first: int | None = None
        self._events = 0
        self._started_s = self._logged_s = 0.0

    def hear(self, outcome: Outcome) -> None:
        """Takes note of a step."""
        if isinstance(outcome, Reorg):
            self._end()  # what comes next may begin before where this stretch began
        if not isinstance(outcome, Advanced):
            return
        now_s = time.monotonic()
        if self._first is None:
            self._first, self._events, self._started_s, self._logged_s = outcome.first, 0, now_s, now_s
        self._events += outcome.events
        if outcome.last >= outcome.head:
            self._end()
            return
        line = self._line(outcome, now_s)
        if self._terminal is not None:
            self._terminal.write(f"\r\x1b[K{bar(outcome.last - self._first, outcome.head - self._first)} {line}")
            self._terminal.flush()
        elif now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            logger.info("progress chain=%d %s", self._chain_id, line)

    def _line(self, outcome: Advanced, now_s: float) -> str:
        assert self._first is not None
        spent_s = max(now_s - self._started_s, 1e-3)
        done, left = outcome.last - self._first + 1, outcome.head - outcome.last
        return (
            f"block={outcome.last} of={outcome.head} done={100 * done / (done + left):.1f}% "
            f"events_per_s={self._events / spent_s:.0f} eta={duration(left * spent_s / done)}"
        )

    def _end(self) -> None:
        if self._terminal is not None and self._first is not None:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()
        self._first = None


def terminal() -> TextIO | None:
    """Standard error, where a person reads it."""
    return sys.stderr if sys.stderr.isatty() else None


def bar(done: int, whole: int) -> str:
    """A bar of fixed width."""
    filled = BAR_WIDTH * done // max(whole, 1)
    return "[" + "#" * filled + "." * (BAR_WIDTH - filled) + "]"


def duration(seconds: float) -> str:
    """``1h02m``, ``3m04s`` or ``5s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
