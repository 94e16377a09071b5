"""What a simulation prints: the comparison of its strategies, or all of it as JSON; and how far it is."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from contracts.units import CASH_PER_CURRENCY, WH_PER_KWH
from node.simulation.compare import Outcome
from node.simulation.market import SlotResult
from node.simulation.measures import Measures

REDRAW_S: Final = 0.2
HOURS: Final = 24
_BARS: Final = " ▁▂▃▄▅▆▇█"


class Progress:
    """A line on the terminal with the time that is left; nothing where nobody sees it."""

    def __init__(self, strategies: Sequence[str], slots: int) -> None:
        self._strategies, self._slots = list(strategies), slots
        self._start = self._drawn = time.monotonic()
        self._is_seen = sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_seen:
            sys.stderr.write("\r\x1b[K")

    def played(self, strategy: str, slots: int) -> None:
        """So many slots of a strategy are played."""
        now = time.monotonic()
        if not self._is_seen or now - self._drawn < REDRAW_S:
            return
        self._drawn = now
        done = self._strategies.index(strategy) * self._slots + slots
        whole = len(self._strategies) * self._slots
        left_s = (now - self._start) * (whole - done) / done
        sys.stderr.write(f"\r\x1b[K{strategy}: slot {slots} of {self._slots}, {left_s:.0f} s left")
        sys.stderr.flush()


def comparison(outcomes: Sequence[Outcome]) -> str:
    """A table with a column for each strategy, and the mean day of each."""
    rows = [[name, *(value(outcome.measures) for outcome in outcomes)] for name, value in _ROWS]
    heads = ["", *(outcome.measures.strategy for outcome in outcomes)]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in (heads, *rows)
    ]
    first = outcomes[0].measures
    title = f"{first.participants} participants, {first.slots} slots"
    return "\n".join([title, "", *lines, "", *_mean_days(outcomes)])


def as_document(outcomes: Sequence[Outcome]) -> str:
    """Measures and slots of every strategy. Money per participant is left out of the slots."""
    document = [
        {"measures": msgspec.to_builtins(outcome.measures), "slots": [_plain(slot) for slot in outcome.slots]}
        for outcome in outcomes
    ]
    return msgspec.json.encode(document).decode()


def _plain(slot: SlotResult) -> dict[str, int | None]:
    names = ("start_s", "price_per_kwh", "traded_wh", "delivered_wh", "netted_wh", "grid_import_wh", "grid_export_wh")
    return {name: getattr(slot, name) for name in (*names, "load_wh", "production_wh", "best_wh")}


def _kwh(energy_wh: int) -> str:
    return f"{energy_wh / WH_PER_KWH:,.1f} kWh"


def _price(price_per_kwh: int | None) -> str:
    return "–" if price_per_kwh is None else f"{price_per_kwh / CASH_PER_CURRENCY:.4f} €/kWh"


def _money(cash: int) -> str:
    return f"{cash / CASH_PER_CURRENCY:,.2f} €"


def _share(basis_points: int) -> str:
    return f"{basis_points / 100:.1f} %"


_ROWS: Final[tuple[tuple[str, Callable[[Measures], str]], ...]] = (
    ("welfare", lambda m: _money(m.welfare)),
    ("  of what was possible", lambda m: _share(m.efficiency_bp)),
    ("price, mean", lambda m: _price(m.price_mean_per_kwh)),
    ("price, lowest", lambda m: _price(m.price_low_per_kwh)),
    ("price, highest", lambda m: _price(m.price_high_per_kwh)),
    ("slots with a price", lambda m: f"{m.slots_traded} of {m.slots}"),
    ("traded", lambda m: _kwh(m.traded_wh)),
    ("delivered", lambda m: _kwh(m.delivered_wh)),
    ("imbalances netted", lambda m: _kwh(m.netted_wh)),
    ("load", lambda m: _kwh(m.load_wh)),
    ("production", lambda m: _kwh(m.production_wh)),
    ("from the grid", lambda m: _kwh(m.grid_import_wh)),
    ("to the grid", lambda m: _kwh(m.grid_export_wh)),
    ("self-sufficiency", lambda m: _share(m.self_sufficiency_bp)),
    ("self-consumption", lambda m: _share(m.self_consumption_bp)),
    ("local exchange by trade", lambda m: _share(m.local_trade_bp)),
    ("saved against the grid alone", lambda m: _money(m.saved)),
    ("  mean of a participant", lambda m: _money(m.saved_mean)),
    ("  least of a participant", lambda m: _money(m.saved_least)),
    ("participants no worse off", lambda m: f"{m.winners} of {m.participants}"),
    ("grid fee", lambda m: _money(m.grid_fee)),
    ("money that came from nowhere", lambda m: f"{m.residue_nano} nano"),
)


def _mean_days(outcomes: Sequence[Outcome]) -> list[str]:
    """Traded energy and price by hour of the day (UTC), as small bars."""
    lines = ["mean day, 0 to 24 h UTC"]
    width = max(len(outcome.measures.strategy) for outcome in outcomes)
    for outcome in outcomes:
        energy_wh, value = [0] * HOURS, [0] * HOURS
        for slot in outcome.slots:
            hour = slot.start_s // 3_600 % HOURS
            energy_wh[hour] += slot.traded_wh
            value[hour] += (slot.price_per_kwh or 0) * slot.traded_wh
        prices = [amount // energy if energy else None for amount, energy in zip(value, energy_wh, strict=True)]
        name = outcome.measures.strategy.ljust(width)
        lines += [f"{name}  energy {_bars(energy_wh)}", f"{' ' * width}  price  {_bars(prices)}"]
    return lines


def _bars(values: Sequence[int | None]) -> str:
    top = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None or top <= 0 else _BARS[max(0, value) * 8 // top] for value in values)
