"""What is wrong with meters, in PostgreSQL: opened when seen, closed when disproved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexer.db import Connection, queries
from node.metering.entries import FaultEntry
from node.metering.fault_kinds import ENDED_BY_A_READING, EVENTS, OF_REASON, FaultKind
from node.metering.service import Outcome, Taken

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class MeterFault:
    """One fault; open while ``until`` (Unix seconds) is None."""

    meter_id: int
    kind: str
    since: int
    until: int | None
    last_seen: int
    times: int
    evidence: Mapping[str, Any]


async def note(db: Connection, found: Sequence[FaultEntry]) -> None:
    """Opens faults, or sees them again; an event is over at once."""
    if not found:
        return
    newest = {(fault.meter_id, fault.kind): fault for fault in found}
    rows = [(one.meter_id, one.kind.value, one.at, one.evidence, one.kind in EVENTS) for one in newest.values()]
    await db.execute(_SQL["note"], *map(list, zip(*rows, strict=True)))


async def end(db: Connection, meter_ids: Iterable[int], at_s: int, kinds: Iterable[FaultKind]) -> None:
    """Closes what is open of these kinds."""
    await db.execute(_SQL["end"], sorted(set(meter_ids)), at_s, [kind.value for kind in kinds])


async def after(db: Connection, outcomes: Sequence[Outcome]) -> None:
    """What a batch of readings shows of its meters: refusals name faults, a valid last word ends them."""
    last = {outcome.meter_id: outcome for outcome in outcomes if _says_something(outcome)}
    if not last:
        return
    bad, good = [], []
    for outcome in last.values():
        if outcome.state is Taken.VALIDATED:
            good.append(outcome)
        elif outcome.reason is not None:
            said = {"reason": outcome.reason.value, "time": outcome.time, "counter": outcome.counter}
            bad.append(FaultEntry(outcome.meter_id, OF_REASON[outcome.reason], outcome.time, {**said}))
    await note(db, bad)
    if good:
        newest_s = max(outcome.time for outcome in good)
        await end(db, (outcome.meter_id for outcome in good), newest_s, ENDED_BY_A_READING)


def _says_something(outcome: Outcome) -> bool:
    return outcome.state is Taken.VALIDATED or (outcome.state is Taken.REFUSED and outcome.reason in OF_REASON)


async def of_meters(db: Connection, meter_ids: Iterable[int]) -> dict[int, list[str]]:
    """The kinds that are open, by meter."""
    found: dict[int, list[str]] = {}
    for row in await db.fetch(_SQL["open_kinds"], list(meter_ids)):
        found.setdefault(row["meter_id"], []).append(row["kind"])
    return found


async def of_meter(db: Connection, meter_id: int, *, limit: int = 100) -> list[MeterFault]:
    """A meter's faults, the open ones first, then the newest."""
    return [MeterFault(*row) for row in await db.fetch(_SQL["of_meter"], meter_id, limit)]


async def silent(db: Connection, now_s: int, silence_s: int, since_s: int) -> list[FaultEntry]:
    """The active meters without a valid reading for so long, while they were listened to."""
    rows = await db.fetch(_SQL["silent"], now_s, silence_s, since_s)
    return [
        FaultEntry(row["meter_id"], FaultKind.SILENT, row["since"], {"last_reading": row["last_s"] or "never"})
        for row in rows
    ]
