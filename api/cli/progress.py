"""How far long work is, on one line of a terminal that overwrites itself; nothing where nobody looks."""

import sys
import time
from collections.abc import Callable
from typing import Final

PAUSE_S: Final = 0.2


def counted(what: str) -> Callable[[int], None]:
    """Tells a growing number on standard error, a few times a second."""
    if not sys.stderr.isatty():
        return lambda count: None
    told_s = 0.0

    def tell(count: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s >= PAUSE_S:
            told_s = now_s
            sys.stderr.write(f"\r\x1b[K{count:,} {what}")
            sys.stderr.flush()

    return tell
