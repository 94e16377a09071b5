"""The events of a continuous book as columns, which is what the fast engine takes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from node.market.engine import LiveOrder
from node.market.rationing import Int64s

NO_TARGET = -1


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """One row an event, in sequence. Of a cancellation only ``is_cancel`` and ``target`` count."""

    is_cancel: Int64s
    sequence: Int64s
    target: Int64s
    """Row of the order that is cancelled or replaced; -1 for none."""
    trader: Int64s
    """Any number that is his alone."""
    side: Int64s
    zone: Int64s
    """Position in the network."""
    limit_per_kwh: Int64s
    energy_wh: Int64s
    min_fill_wh: Int64s
    display_wh: Int64s
    time_in_force: Int64s
    post_only: Int64s
    self_trade: Int64s

    def __len__(self) -> int:
        return len(self.sequence)

    @classmethod
    def empty(cls, count: int) -> "Columns":
        """Rows of zeros that target nothing, to be filled in."""
        columns = cls(*np.zeros((len(cls.__slots__), count), dtype=np.int64))
        columns.target[:] = NO_TARGET
        return columns

    def events(self) -> Iterator[LiveOrder | int]:
        """For engines that take one event at a time: an order that comes, or the sequence of one that goes."""
        sequences = self.sequence.tolist()
        for row in zip(*(getattr(self, name).tolist() for name in self.__slots__), strict=True):
            cancel, sequence, target, trader, side, zone, limit, energy, least, shows, in_force, post, mode = row
            if cancel:
                yield sequences[target]
                continue
            order = LiveOrder(sequence, trader, side, limit, energy, zone)
            replaces = 0 if target == NO_TARGET else sequences[target]
            if least or shows or in_force or post or mode or replaces:
                order.asking(
                    min_fill_wh=least,
                    display_wh=shows,
                    time_in_force=in_force,
                    post_only=bool(post),
                    self_trade=mode,
                    replaces=replaces,
                )
            yield order
