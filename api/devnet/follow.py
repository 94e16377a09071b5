"""Follows a run slot by slot until enough of them are settled and audited, or until nothing moves any more."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Final

from api.devnet import report
from api.devnet.community import ZONE
from api.devnet.lag import LagMeter
from api.devnet.programs import GATE_LEAD_S
from api.devnet.report import SlotRow, Summary
from api.devnet.settings import SLOT_S, Folder, Wishes
from api.devnet.view import Moment, View
from api.devnet.watcher import Watcher
from indexer.clock import SimulatedClock
from indexer.db import AWAY, connect
from indexer.errors import GridtraceError

logger = logging.getLogger(__name__)

POLL_S: Final = 0.5
STALL_SLOTS: Final = 6
STALL_S: Final = 90.0
TRADELESS_SLOTS: Final = 8


class Stalled(GridtraceError):
    """Nothing moves any more."""

    code = "stalled"


@dataclass(slots=True)
class Follower:
    """Reads the slots, shows them, and knows when the run is over."""

    wishes: Wishes
    folder: Folder
    view: View
    watcher: Watcher
    lag: LagMeter
    clock: SimulatedClock
    database_url: str
    chain_id: int
    page: str
    journal_offset: int
    started: float
    since_s: int = 0
    _moved: float = field(default_factory=time.monotonic)
    _stages: tuple[str, ...] = ()

    async def follow(self) -> Summary:
        """Returns the summary when the wished slots are done; goes on until cancelled without ``--exit``.

        Raises:
            Stalled: no slot got further for a long time; names where each one stands.
        """
        self.since_s = self._first_gate()
        rows: list[SlotRow] = []
        with self.view:
            while True:
                rows = await self._slots() or rows
                wanted = report.counted(rows, SLOT_S, self.wishes.slots)
                self.view.show(self._moment(wanted), rows)
                if self.wishes.exit and len(wanted) == self.wishes.slots and all(row.done for row in wanted):
                    break
                if self.wishes.exit:
                    self._check_progress(rows)
                await asyncio.sleep(POLL_S)
        return await self._summary(wanted)

    def _first_gate(self) -> int:
        """The first delivery start whose gate is still open."""
        return int((self.clock.now_s() + GATE_LEAD_S) // SLOT_S + 1) * SLOT_S

    async def _slots(self) -> list[SlotRow]:
        """Nothing while the database is away: the watcher brings it back."""
        try:
            db = await connect(self.database_url, command_timeout_s=5)
            try:
                return await report.slots(db, ZONE, self.since_s)
            finally:
                await db.close(timeout=2)
        except AWAY as error:
            logger.warning("no slots error=%s", error)
            return []

    def _moment(self, wanted: list[SlotRow]) -> Moment:
        lags = self.lag.lags_s
        lag_ms = 1_000 * lags[-1] if lags else None
        return Moment(
            self.page,
            self.clock.now_s(),
            self.clock.rate,
            lag_ms,
            self.watcher.health(),
            wanted=self.wishes.slots if self.wishes.exit else None,
            counted=sum(row.done for row in wanted),
        )

    def _check_progress(self, rows: list[SlotRow]) -> None:
        stages = tuple(row.stage for row in rows)
        if stages != self._stages:
            self._stages, self._moved = stages, time.monotonic()
        limit_s = max(STALL_S, STALL_SLOTS * self.wishes.slot_seconds)
        if time.monotonic() - self._moved > limit_s:
            raise Stalled(f"nothing moved for {limit_s:.0f} s: {self._where(rows)}; see {self.folder.logs}")
        if sum(row.two_sided for row in rows) > TRADELESS_SLOTS and not any(row.trades for row in rows):
            raise Stalled(f"{TRADELESS_SLOTS} slots had bids and offers and no trade; see {self.folder.logs}")
        # A slot that stays behind while others move on is stuck as well.
        late_s = self.clock.now_s() - limit_s * self.clock.rate - SLOT_S
        if stuck := [row for row in rows if not row.done and row.delivery_start < late_s]:
            raise Stalled(f"a slot stays behind: {self._where(stuck)}; see {self.folder.logs}")

    def _where(self, rows: list[SlotRow]) -> str:
        down = [name for name, state in self.watcher.health().items() if state != "up"]
        open_slots = [
            f"slot {row.delivery_start} is {row.stage} {row.state_reason or ''}".strip() for row in rows if not row.done
        ]
        return ", ".join([*open_slots[:5], *(f"{name} is down" for name in down)]) or "no gate has closed"

    async def _summary(self, rows: list[SlotRow]) -> Summary:
        db = await connect(self.database_url)
        try:
            extra = {
                "events_indexed": await report.events_indexed(db, self.chain_id),
                "meters_delivered": await report.deliveries(db, self.since_s),
            }
        finally:
            await db.close(timeout=2)
        outcomes = report.outcomes(self.folder.orders, self.journal_offset)
        return report.summarise(
            rows,
            list(self.lag.lags_s),
            {
                **extra,
                "refused_orders": outcomes["refused"],
                "restarts": self.watcher.restarts,
                "duration_s": round(time.monotonic() - self.started, 1),
                "page": f"{self.page}/",
            },
        )
