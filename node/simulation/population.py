"""Who takes part in a simulation: whole Wh that every participant uses and produces in every slot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

DAY_S: Final = 86_400
MICRO: Final = 1_000_000


class Record(Protocol):
    """A cumulative record of energy, at any time."""

    def cumulative_uwh(self, time_s: int) -> int:
        """Micro-Wh from some fixed moment to a Unix time."""
        ...


@dataclass(frozen=True, slots=True)
class Participant:
    """One meter: what lies behind it is netted before it measures."""

    name: str
    load: Record | None = None
    production: Record | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Metered energy by slot and participant, in Wh; the day before the first slot comes first, for forecasts."""

    names: tuple[str, ...]
    slot_s: int
    first_slot: int
    """Row of the first simulated slot: so many slots make a day."""
    start_s: int
    """Unix seconds of that slot's start."""
    load_wh: Int64s
    production_wh: Int64s

    @property
    def net_wh(self) -> Int64s:
        """Withdrawal less injection at the meter: positive where energy is needed."""
        return self.load_wh - self.production_wh

    @property
    def slots(self) -> int:
        """How many slots are simulated."""
        return len(self.load_wh) - self.first_slot


def measure(participants: Sequence[Participant], start_s: int, days: int, slot_s: int) -> Population:
    """Reads the records as registers of whole Wh: what a slot leaves below one is carried into the next.

    Raises:
        ValueError: the slot does not divide a day, or starts off its grid.
    """
    if DAY_S % slot_s or start_s % slot_s:
        raise ValueError(f"slots of {slot_s} s from {start_s} are not on the day's grid")
    per_day = DAY_S // slot_s
    bounds = [start_s + number * slot_s for number in range(-per_day, days * per_day + 1)]

    def energies(records: Sequence[Record | None]) -> Int64s:
        table = np.zeros((len(bounds) - 1, len(records)), dtype=np.int64)
        for column, record in enumerate(records):
            if record is not None:
                table[:, column] = np.diff([record.cumulative_uwh(time_s) // MICRO for time_s in bounds])
        return table

    return Population(
        names=tuple(participant.name for participant in participants),
        slot_s=slot_s,
        first_slot=per_day,
        start_s=start_s,
        load_wh=energies([participant.load for participant in participants]),
        production_wh=energies([participant.production for participant in participants]),
    )
