"""The slots of a run as a person reads them: a table of 80 columns on a terminal, a line per slot elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from api.devnet.report import SlotRow

FIGURES: Final = (
    ("price", "€/kWh", 7), ("orders", "", 6), ("trades", "", 6), ("traded", "kWh", 7),
    ("delivered", "kWh", 9), ("imbalance", "kWh", 9), ("gas per", "trade", 7),
)  # fmt: skip
"""Head, second line of the head, and width of each column of numbers."""
SLOT_WIDTH: Final = 11
MWH: Final = 1_000_000
STATE_WIDTH: Final = 10
STYLES: Final = {"cleared": "dim", "settled": "cyan", "failed": "bold red"}


def kwh(energy_wh: int | None) -> str:
    """Energy for a person, in at most seven characters up to 100 MWh."""
    if energy_wh is None:
        return ""
    return f"{energy_wh / 1_000:.3f}" if abs(energy_wh) < MWH else f"{energy_wh / 1_000:.1f}"


def start_of(row: SlotRow) -> str:
    """Month, day and time, UTC."""
    return f"{datetime.fromtimestamp(row.delivery_start, UTC):%m-%d %H:%M}"


def figures(row: SlotRow) -> list[str]:
    """One cell per column of numbers."""
    price = row.clearing_price_per_kwh
    return [
        "–" if price is None else f"{price / 1_000_000:.4f}",
        str(row.order_count),
        str(row.trades),
        kwh(row.traded_wh if row.traded_wh is not None else row.matched_wh),
        kwh(row.delivered_wh),
        kwh(row.imbalance_wh),
        "" if row.gas_per_trade is None else str(row.gas_per_trade),
    ]


def state(row: SlotRow) -> Text:
    """How far the slot is; once it is audited, how much does not agree."""
    if row.differences:
        return Text(f"✗ {row.differences} differ", style="bold white on red", no_wrap=True)
    if row.done:
        return Text("✓ 0 differ", style="green")
    return Text(row.stage, style=STYLES.get(row.stage, "yellow"))


def table(rows: Sequence[SlotRow]) -> Table:
    """The slots, in 80 columns."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    shown.add_column("slot\n[dim]UTC[/]", width=SLOT_WIDTH)
    for head, unit, width in FIGURES:
        shown.add_column(f"{head}\n[dim]{unit}[/]", justify="right", width=width, no_wrap=True)
    shown.add_column("state", width=STATE_WIDTH, no_wrap=True)
    for row in rows:
        shown.add_row(start_of(row), *figures(row), state(row))
    return shown


def plain_head() -> str:
    """The heads of the columns in one line."""
    heads = " ".join(f"{head.replace('gas per', 'gas/trd'):>{width}}" for head, _, width in FIGURES)
    return f"{'slot':{SLOT_WIDTH}} {heads} state"


def plain(row: SlotRow) -> str:
    """One slot in one line of at most 100 columns."""
    cells = " ".join(f"{cell:>{width}}" for cell, (_, _, width) in zip(figures(row), FIGURES, strict=True))
    told = f"audited, {row.differences} differences" if row.done else row.stage
    return f"{start_of(row):{SLOT_WIDTH}} {cells} {told}"
