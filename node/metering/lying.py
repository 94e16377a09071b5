"""Whether what a meter says of its power agrees with what its registers count. Pure."""

from dataclasses import dataclass
from typing import Final

from contracts.typed_data import Reading
from node.metering.fault_kinds import Evidence

WINDOW_S: Final = 3_600
LEAST_WH: Final = 200
"""Less than this in a window proves nothing."""
FACTOR: Final = 2
"""Readings are samples: power may well be this many times what the register says in between, or as many times less."""
LONGEST_STEP_S: Final = 300
"""Power at two times further apart says nothing of what lay between."""


@dataclass(slots=True)
class _Window:
    begun: Reading
    last: Reading
    power_ws: int = 0
    """Net energy by power, in watt seconds."""
    gross_ws: int = 0
    seen_s: int = 0


class PowerCheck:
    """Compares net power over an hour with what the registers moved meanwhile, meter by meter."""

    def __init__(self) -> None:
        self._windows: dict[int, _Window] = {}

    def take(self, reading: Reading) -> Evidence | None:
        """Takes a valid reading, the next of its meter: evidence of a contradiction, {} of agreement, else None."""
        window = self._windows.get(reading.meter_id)
        passed_s = 0 if window is None else reading.time - window.last.time
        if window is None or not 0 < passed_s <= LONGEST_STEP_S:
            self._windows[reading.meter_id] = _Window(reading, reading)
            return None
        power_w = (window.last.power_w + reading.power_w) // 2
        window.power_ws += power_w * passed_s
        window.gross_ws += abs(power_w) * passed_s
        window.last = reading
        if reading.time - window.begun.time < WINDOW_S:
            return None
        self._windows[reading.meter_id] = _Window(reading, reading)
        return _judged(window)


def _judged(window: _Window) -> Evidence | None:
    imported = window.last.import_wh - window.begun.import_wh
    exported = window.last.export_wh - window.begun.export_wh
    by_register, by_power, gross = imported - exported, window.power_ws // 3_600, window.gross_ws // 3_600
    if window.power_ws == 0 or max(gross, imported + exported) < LEAST_WH:
        return None  # many meters do not say their power
    slack_wh = max(LEAST_WH, gross // 4)
    low, high = sorted((by_register, by_register * FACTOR))
    low, high = min(low, by_register // FACTOR) - slack_wh, max(high, by_register // FACTOR) + slack_wh
    if low <= by_power <= high:
        return {}
    span_s = window.last.time - window.begun.time
    return {"by_power_wh": by_power, "by_register_wh": by_register, "span_s": span_s}
