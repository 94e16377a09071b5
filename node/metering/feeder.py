"""Whether a zone's meters add up to what its feeder saw, and which meter explains it when they do not. Pure.

A feeder counts everything that flows into (import) and out of (export) a zone; the difference to the sum of the
meters is losses, or somebody's meter saying too little or too much. A meter that always says too little by a factor
makes a difference that goes up and down with its own values: that is what gives it away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LOSSES: Final = 0.06
"""Share of what flows that a low-voltage grid may lose, generously."""
LEAST_WH: Final = 100
LEAST_SLOTS: Final = 12
CONVINCING: Final = 0.9
MARGIN: Final = 0.2
"""How much better than the second best a suspect's explanation must be."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One slot of a zone: net import in Wh, by the feeder and by meter."""

    feeder_wh: int
    meters_wh: Mapping[int, int]

    @property
    def missing_wh(self) -> int:
        """What the feeder saw and no meter did; below 0 where the meters claim more."""
        return self.feeder_wh - sum(self.meters_wh.values())

    @property
    def is_plausible(self) -> bool:
        """Whether losses explain the difference; nothing explains meters that say more than was there."""
        through_wh = sum(map(abs, self.meters_wh.values()))
        return -LEAST_WH <= self.missing_wh <= LEAST_WH + LOSSES * through_wh


def suspect(slots: Sequence[Balance]) -> int | None:
    """The one meter whose values go up and down with the difference over the slots; None where none stands out."""
    if len(slots) < LEAST_SLOTS:
        return None
    missing = [slot.missing_wh for slot in slots]
    meters = sorted(set.intersection(*(set(slot.meters_wh) for slot in slots)))
    found = sorted((abs(_correlation(missing, [slot.meters_wh[one] for slot in slots])), one) for one in meters)
    if not found or found[-1][0] < CONVINCING:
        return None
    if len(found) > 1 and found[-1][0] - found[-2][0] < MARGIN:
        return None
    return found[-1][1]


def _correlation(left: Sequence[int], right: Sequence[int]) -> float:
    mean_left, mean_right = sum(left) / len(left), sum(right) / len(right)
    covariance = sum((x - mean_left) * (y - mean_right) for x, y in zip(left, right, strict=True))
    spread = math.sqrt(sum((x - mean_left) ** 2 for x in left) * sum((y - mean_right) ** 2 for y in right))
    return covariance / spread if spread else 0.0
