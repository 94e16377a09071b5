"""What is said of something that does not answer, and when it is tried again."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

logger = logging.getLogger(__name__)

FIRST_RETRY_S: Final = 0.5
MOST_NAMES: Final = 10_000
LAST_RETRY_S: Final = 30.0


@dataclass(slots=True)
class _Outage:
    due_s: float
    wait_s: float


@dataclass(slots=True)
class Outages:
    """Names what does not answer in the log, once when it starts and once when it ends, and paces new attempts."""

    what: str
    last_retry_s: float = LAST_RETRY_S
    monotonic: Callable[[], float] = time.monotonic
    _open: dict[str, _Outage] = field(default_factory=dict)

    def failed(self, name: str, error: BaseException | str) -> float:
        """Notes a failure; returns the real seconds to wait before the next attempt, doubling each time."""
        outage = self._open.get(name)
        if outage is None and len(self._open) >= MOST_NAMES:  # strangers choose some of the names
            logger.debug("%s lost name=%s error=%s", self.what, name, error)
            return FIRST_RETRY_S
        if outage is None:
            logger.warning("%s lost name=%s error=%s", self.what, name, error)
            wait_s = FIRST_RETRY_S
        else:
            wait_s = min(outage.wait_s * 2, self.last_retry_s)
        self._open[name] = _Outage(self.monotonic() + wait_s, wait_s)
        return wait_s

    def worked(self, name: str) -> None:
        """Notes that it answers (again)."""
        if self._open.pop(name, None) is not None:
            logger.info("%s back name=%s", self.what, name)

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        outage = self._open.get(name)
        return outage is None or self.monotonic() >= outage.due_s
