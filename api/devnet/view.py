"""What a person sees of a run: a live table on a terminal, a line per slot elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from api.devnet.report import SlotRow

ROWS: Final = 16
COLUMNS: Final = (
    "slot", "price €/kWh", "orders", "trades", "traded kWh", "delivered kWh",
    "imbalance kWh", "gas/trade", "differences", "state",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """What stands above the table."""

    page: str
    market_s: float
    rate: float
    lag_ms: float | None
    health: Mapping[str, str]


def kwh(energy_wh: int | None) -> str:
    """Energy for a person."""
    return "" if energy_wh is None else f"{energy_wh / 1_000:.3f}"


def cells(row: SlotRow) -> list[str]:
    """One line of the table."""
    start = datetime.fromtimestamp(row.delivery_start, UTC)
    price = row.clearing_price_per_kwh
    return [
        f"{start:%m-%d %H:%M}",
        "" if price is None else f"{price / 1_000_000:.4f}",
        str(row.order_count),
        str(row.trades),
        kwh(row.traded_wh if row.traded_wh is not None else row.matched_wh),
        kwh(row.delivered_wh),
        kwh(row.imbalance_wh),
        "" if row.gas_per_trade is None else str(row.gas_per_trade),
        "" if row.differences is None else str(row.differences),
        row.stage,
    ]


class View:
    """Shows steps first, then the slots."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._told: set[int] = set()

    def step(self, text: str) -> None:
        """One finished step of the set-up."""
        self.console.print(Text.assemble(("✓ ", "green"), text))

    def note(self, text: str) -> None:
        """Something a person should know."""
        self.console.print(Text(text))

    def __enter__(self) -> "View":
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=False)
            self._live.start()
        else:
            self.console.print(Text("  ".join(COLUMNS)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, moment: Moment, rows: Sequence[SlotRow]) -> None:
        """The present state."""
        if self._live is not None:
            self._live.update(Group(heading(moment), table(rows)))
            return
        for row in rows:
            if row.done and row.delivery_start not in self._told:
                self._told.add(row.delivery_start)
                self.console.print(Text("  ".join(cells(row))))


def heading(moment: Moment) -> Text:
    """Page, market time, pace, lag, health."""
    now = datetime.fromtimestamp(moment.market_s, UTC)
    lag = "" if moment.lag_ms is None else f"   indexer lag {moment.lag_ms:.0f} ms"
    text = Text(f"{moment.page}   market time {now:%Y-%m-%d %H:%M:%S} UTC   ×{moment.rate:g}{lag}\n")
    for name, state in moment.health.items():
        text.append(f"{name} ", style="green" if state == "up" else "bold red")
    return text


def table(rows: Sequence[SlotRow]) -> Table:
    """The newest slots."""
    shown = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        shown.add_column(name, justify="left" if name in ("slot", "state") else "right")
    for row in rows[-ROWS:]:
        shown.add_row(*cells(row))
    return shown
