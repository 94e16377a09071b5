"""The continuous book again, fast: the same fills from the same events as ``continuous``, compiled.

For whoever checks a slot from its log. Every name means what it means there; each step is explained there.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from node.market.columns import Columns
from node.market.engine import Network
from node.market.replay_loop import run

_LEFT: Final = 0
_NO_LINK: Final = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What followed from the events."""

    fills: NDArray[np.int64]
    """Bid's and offer's sequence, Wh, seller's price, fee, and the row of the event that made it."""
    state: NDArray[np.int64]
    """The book that is left: sequence, rank, Wh left, Wh shown and minimum outstanding, by sequence."""
    room_wh: NDArray[np.int64]
    """What may still flow, [seller's zone][buyer's zone]."""

    def hash(self) -> bytes:
        """As ``engine.replay_hash``."""
        parts = (np.array([len(self.fills)]), self.fills[:, :5], self.state)
        return sha256(b"".join(part.astype(">i8").tobytes() for part in parts)).digest()


def replay(columns: Columns, network: Network) -> Replay:
    """Plays the events to an empty book."""
    zones = len(network.fee_per_kwh)
    fees = np.array(
        [[_NO_LINK if fee is None else fee for fee in row] for row in network.fee_per_kwh], dtype=np.int64
    ).reshape(zones, zones)
    room_wh = np.array(network.capacity_wh, dtype=np.int64).reshape(zones, zones)
    arguments: list[Any] = [*(getattr(columns, name) for name in Columns.__slots__), fees, room_wh]
    fills, live = run(*arguments)
    waiting = np.flatnonzero(live[:, _LEFT])
    rows = live[waiting]
    state = np.column_stack((columns.sequence[waiting], rows[:, 2], rows[:, 0], rows[:, 1], rows[:, 3]))
    return Replay(fills, state, room_wh)
