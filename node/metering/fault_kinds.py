"""What can be wrong with a meter, and with which of its readings each kind ends. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from node.metering.readings import Reason

Evidence: TypeAlias = dict[str, int | str]


class FaultKind(StrEnum):
    """Published; the text of each stands in ``docs/metering.md``."""

    SILENT = "silent"
    BAD_DATA = "bad-data"
    REBOOTED = "rebooted"
    ROLLED_OVER = "rolled-over"
    REPLACED = "replaced"
    REGISTER_FELL = "register-fell"
    OVER_FUSE = "over-fuse"
    CLOCK_DRIFT = "clock-drift"
    COUNTER_FELL = "counter-fell"
    POWER_CONTRADICTS = "power-contradicts-register"
    FEEDER_CONTRADICTS = "feeder-contradicts"


EVENTS: Final = frozenset({FaultKind.REBOOTED, FaultKind.ROLLED_OVER})
"""They are over as soon as they are seen."""
ENDED_BY_A_READING: Final = frozenset(
    {
        FaultKind.SILENT,
        FaultKind.BAD_DATA,
        FaultKind.REGISTER_FELL,
        FaultKind.OVER_FUSE,
        FaultKind.CLOCK_DRIFT,
        FaultKind.COUNTER_FELL,
    }
)
"""What a valid reading disproves."""
OF_REASON: Final[Mapping[Reason, FaultKind]] = {
    Reason.REGISTER_FELL: FaultKind.REGISTER_FELL,
    Reason.OVER_FUSE: FaultKind.OVER_FUSE,
    Reason.CLOCK_AHEAD: FaultKind.CLOCK_DRIFT,
    Reason.COUNTER_NOT_GROWING: FaultKind.COUNTER_FELL,
}
"""What a refused reading shows of the meter that signed it. A repeated or overtaken one shows nothing."""
