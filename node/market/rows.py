"""Rows of the continuous book: what each event says, and what has become of its order. The engine's working memory."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[Any]
"""Of ``EVENT`` or of ``LIVE``."""

NO_LINK: Final = -(2**62)
"""A fee: nothing can flow."""
NO_TARGET: Final = -1
UNKNOWN_TARGET: Final = -2
"""Names an order that the book has never been told of."""

# Of the array of links between zones.
FEE: Final = 0
ROOM: Final = 1
USED: Final = 2

ORDER: Final = 0
CANCEL: Final = 1
EXPIRE: Final = 2
BLOCK: Final = 3
"""An order that only waits: blocks are filled in the auction alone."""
NOTHING: Final = 4

EVENT: Final = np.dtype(
    [
        ("sequence", np.int64),
        ("target", np.int64),  # row of the order that is cancelled or replaced
        ("trader", np.int64),  # with the next two: who it is
        ("trader_2", np.int64),
        ("trader_3", np.int32),
        ("zone", np.int32),  # position in the network
        ("limit_per_kwh", np.int64),
        ("energy_wh", np.int64),
        ("min_fill_wh", np.int64),
        ("display_wh", np.int64),
        ("accepted_ms", np.int64),
        ("kind", np.int8),
        ("side", np.int8),
        ("time_in_force", np.int8),
        ("post_only", np.int8),
        ("self_trade", np.int8),
    ],
    align=True,
)
"""What an event says; of what takes an order out only kind, sequence and target count."""

LIVE: Final = np.dtype(
    [
        (name, np.int64)
        for name in (
            "left_wh",
            "shown_wh",  # what a trade can take before the order goes to the end of the queue
            "rank",
            "min_left_wh",  # what it must trade at once if at all
            "lost_wh",
            "traded_wh",
            "why",  # number of the last reason for which energy of it will not trade any more
            "public_wh",  # what the open book was last told of it
        )
    ]
)
"""What has become of an order. It is in the book while something is left of it."""


def events(count: int) -> Rows:
    """Rows of zeros that target nothing, to be filled in."""
    rows = np.zeros(count, EVENT)
    rows["target"] = NO_TARGET
    return rows
