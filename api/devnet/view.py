"""What a person sees of a run: a live table on a terminal, a line per slot elsewhere."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.status import Status
from rich.text import Text

from api.devnet.report import SlotRow, Summary
from api.devnet.slot_table import kwh, plain, plain_head, start_of, table

AROUND: Final = 14
"""Lines of the terminal that are not slots: steps, heading, heads of the columns, verdict."""
FEWEST: Final = 4
BRIEF_S: Final = 0.1
SPINNER: Final = 3
UP: Final = "up"


@dataclass(frozen=True, slots=True)
class Moment:
    """What stands above the table."""

    page: str
    market_s: float
    rate: float
    lag_ms: float | None
    health: Mapping[str, str]
    wanted: int | None
    """How many slots the run shall settle; None: until it is interrupted."""
    counted: int
    """How many of them are."""


class View:
    """Shows steps first, then the slots."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._status: Status | None = None
        self._told: set[int] = set()
        self._step_began = time.monotonic()

    def working(self, text: str) -> None:
        """What is being done now, until the step is finished; on a terminal only."""
        if not self.console.is_terminal:
            return
        line = text if len(text) < self.console.width - SPINNER else f"{text[: self.console.width - SPINNER - 1]}…"
        if self._status is None:
            self._status = self.console.status(line, spinner="dots")
            self._status.start()
        self._status.update(Text(line))

    def progress(self, what: str, done: int, total: int) -> None:
        """How far a long step is, and how long the rest takes at the pace so far."""
        took_s = time.monotonic() - self._step_began
        left = f", about {took_s / done * (total - done):.0f} s left" if done else ""
        self.working(f"{what}: {done} of {total}{left}")

    def step(self, text: str) -> None:
        """One finished step of the set-up."""
        self.rest()
        took_s, self._step_began = time.monotonic() - self._step_began, time.monotonic()
        took = f"  {took_s:.1f} s" if took_s >= BRIEF_S else ""
        self.console.print(Text.assemble(("✓ ", "green"), text, (took, "dim")), soft_wrap=True)

    def note(self, text: str) -> None:
        """Something a person should know."""
        self.rest()
        self.console.print(Text(text), soft_wrap=True)

    def rest(self) -> None:
        """Takes away what ``working`` shows."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __enter__(self) -> "View":
        self.rest()
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=False)
            self._live.start()
        else:
            self._print("energy in kWh, price in €/kWh")
            self._print(plain_head())
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
            shown = rows[-max(FEWEST, self.console.height - AROUND) :]
            self._live.update(picture(moment, shown, rows))
            return
        for row in rows:
            if row.done and row.delivery_start not in self._told:
                self._told.add(row.delivery_start)
                self._print(plain(row))

    def summary(self, found: Summary) -> None:
        """The whole run in a few lines."""
        lag = (
            "–"
            if found.indexer_lag_ms_p99 is None
            else f"{found.indexer_lag_ms_p50} ms, p99 {found.indexer_lag_ms_p99} ms"
        )
        meters = " and ".join(f"{count} {driver}" for driver, count in found.meters_delivered.items())
        for line in (
            f"{found.slots} slots, {found.orders} orders, {found.trades} trades: {kwh(found.traded_wh)} kWh traded, "
            f"{kwh(found.delivered_wh)} kWh of it delivered",
            f"{meters} meters, {found.events_indexed} events, indexer lag p50 {lag}, "
            f"{found.gas_per_trade or '–'} gas per trade",
            f"{found.refused_orders} refused orders, {found.restarts} restarts, {found.duration_s:.0f} s",
        ):
            self._print(line)
        self.console.print(verdict(found.differences, found.slots), soft_wrap=True)

    def _print(self, line: str) -> None:
        # Never wrapped: a file or a pipe has no width.
        self.console.print(Text(line), soft_wrap=True)


def picture(moment: Moment, shown: Sequence[SlotRow], rows: Sequence[SlotRow]) -> RenderableType:
    """Heading, slots, and what came of them."""
    audited = [row for row in rows if row.done]
    of = "" if moment.wanted is None else f", {moment.counted} of {moment.wanted} wanted"
    failed = [
        Text(f"slot {start_of(row)} failed: {row.state_reason}", style="red") for row in rows if row.state == "failed"
    ]
    closing = verdict(sum(row.differences or 0 for row in audited), len(audited))
    totals = Text(
        f"   {sum(row.trades for row in audited)} trades, "
        f"{kwh(sum(row.delivered_wh or 0 for row in audited))} kWh delivered{of}"
    )
    empty: list[RenderableType] = [] if rows else [Text("the first gate has not closed yet", style="dim")]
    return Group(heading(moment), "", table(shown), *empty, "", closing.append_text(totals), *failed[-2:])


def verdict(differences: int, slots: int) -> Text:
    """What the audit found."""
    of = "1 audited slot" if slots == 1 else f"{slots} audited slots"
    if differences:
        return Text(f"✗ {differences} DIFFERENCES in {of}", style="bold red")
    return Text(f"✓ 0 differences in {of}", style="bold green" if slots else "dim")


def heading(moment: Moment) -> Text:
    """Page, market time, pace, lag, health."""
    now = datetime.fromtimestamp(moment.market_s, UTC)
    lag = "" if moment.lag_ms is None else f"   lag {moment.lag_ms:.0f} ms"
    text = Text.assemble((moment.page + "/", "bold cyan"), f"   {now:%Y-%m-%d %H:%M:%S} UTC ×{moment.rate:g}{lag}\n")
    for name, state in moment.health.items():
        sign, style = ("●", "green") if state == UP else ("✗", "bold white on red")
        text.append(f"{sign}{name}", style=style).append(" ")
    return text
