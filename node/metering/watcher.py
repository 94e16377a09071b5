"""Looks at meters as a whole: who fell silent, whose power contradicts his registers, whom the feeder denies."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from indexer.db import Connection, queries
from node.metering import faults
from node.metering.entries import Entry, FaultEntry, ReadingEntry
from node.metering.fault_kinds import FaultKind
from node.metering.feeder import Balance, suspect
from node.metering.lying import PowerCheck
from node.metering.service import Outcome, Taken

_SQL = queries(__name__)
SLOTS_COMPARED: Final = 24
LOOKS_KEPT: Final = 10_000


class Watcher:
    """Finds what no single reading shows. Keeps what it still has to write down."""

    def __init__(self, silence_s: int) -> None:
        self._silence_s = silence_s
        self._power = PowerCheck()
        self._found: deque[FaultEntry] = deque(maxlen=LOOKS_KEPT)
        self._agreeing: dict[int, int] = {}
        self._feeders_seen_s = 0

    def take(self, entries: Sequence[Entry], outcomes: Sequence[Outcome]) -> None:
        """Looks at the readings that were found valid."""
        valid = {(one.meter_id, one.time, one.counter) for one in outcomes if one.state is Taken.VALIDATED}
        for entry in entries:
            if isinstance(entry, ReadingEntry) and (entry.meter_id, entry.time, entry.counter) in valid:
                evidence = self._power.take(entry.signed().reading)
                if evidence:
                    self._found.append(FaultEntry(entry.meter_id, FaultKind.POWER_CONTRADICTS, entry.time, evidence))
                elif evidence is not None:
                    self._agreeing[entry.meter_id] = entry.time

    async def look(self, db: Connection, now_s: float, since_s: float | None) -> None:
        """Writes down what was found, and who has fallen silent since everyone is listened to (market times)."""
        found = list(self._found)
        await faults.note(db, found)
        if self._agreeing:
            newest_s = max(self._agreeing.values())
            await faults.end(db, self._agreeing, newest_s, [FaultKind.POWER_CONTRADICTS])
        if since_s is not None:
            await faults.note(db, await faults.silent(db, int(now_s), self._silence_s, int(since_s)))
        await self._compare_feeders(db)
        for _ in found:
            self._found.popleft()
        self._agreeing.clear()

    async def _compare_feeders(self, db: Connection) -> None:
        newest_s = await db.fetchval(_SQL["newest_feeder_slot"], self._feeders_seen_s)
        if newest_s is None:
            return
        for feeders, slots in await zones_with_feeders(db, newest_s):
            await self._judge(db, feeders, slots, newest_s)
        self._feeders_seen_s = newest_s

    async def _judge(self, db: Connection, feeders: list[int], slots: list[Balance], newest_s: int) -> None:
        last = slots[-1]
        if last.is_plausible:
            await faults.end(db, feeders, newest_s, [FaultKind.FEEDER_CONTRADICTS])
            return
        evidence: dict[str, int | str] = {"feeder_wh": last.feeder_wh, "missing_wh": last.missing_wh}
        named = suspect(slots)
        if named is not None:
            evidence["suspect"] = named
        kind = FaultKind.FEEDER_CONTRADICTS
        accused = [*feeders, *([] if named is None else [named])]
        await faults.note(db, [FaultEntry(meter_id, kind, newest_s, evidence) for meter_id in accused])


async def zones_with_feeders(db: Connection, newest_s: int) -> list[tuple[list[int], list[Balance]]]:
    """Each zone's feeders and its last slots in which every meter is proved, the newest last."""
    found: dict[int, tuple[set[int], dict[int, tuple[int, dict[int, int]]]]] = {}
    for zone, start, meter_id, kind, net_wh in await db.fetch(_SQL["balances"], newest_s, SLOTS_COMPARED):
        feeders, slots = found.setdefault(zone, (set(), {}))
        feeder_wh, meters = slots.get(start, (0, {}))
        if kind == "feeder":
            feeders.add(meter_id)
            feeder_wh += net_wh
        else:
            meters[meter_id] = net_wh
        slots[start] = feeder_wh, meters
    return [(sorted(feeders), [Balance(*slots[start]) for start in sorted(slots)]) for feeders, slots in found.values()]
