"""The node's two chained logs, gone along again: the log of changes, and the market's sequence of events."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from indexer.db import Connection, queries
from node.audit.anchors import AUDIT_LOGS, EVENTS, mirrored
from node.audit.chained import Anchor, Follower, Link, LogCheck
from node.market.sequence import event_hash

_SQL = queries(__name__)
_PAGE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One logged change; values as PostgreSQL writes them."""

    sequence: int
    table_name: str
    record_id: str
    operation: str
    changed_by: str
    changed_us: int
    old_values: str
    new_values: str
    previous_hash: bytes
    hash: bytes


def entry_hash(entry: Entry, previous_hash: bytes) -> bytes:
    """SHA-256 over the hash before and the entry's fields, a line each."""
    fields = (
        entry.sequence,
        entry.table_name,
        entry.record_id,
        entry.operation,
        entry.changed_by,
        entry.changed_us,
        entry.old_values,
        entry.new_values,
    )
    return hashlib.sha256(previous_hash + "\n".join(map(str, fields)).encode()).digest()


def entry_link(entry: Entry) -> Link:
    """A logged change as a link."""
    name = f"{entry.operation} {entry.table_name} {entry.record_id}"
    return Link(entry.sequence, name, entry.previous_hash, entry.hash, lambda before: entry_hash(entry, before))


async def check_log(db: Connection, chain_id: int, anchors: Iterable[Anchor] | None = None) -> LogCheck:
    """Every entry of the log of changes that was changed, dropped, put in or moved, as far as hashes and anchors tell.

    ``anchors`` are those of the chain itself; without them the mirror's count.
    """
    follower = Follower(AUDIT_LOGS, await mirrored(db, chain_id, AUDIT_LOGS) if anchors is None else anchors)
    last = 0
    while page := await db.fetch(_SQL["entries"], last, _PAGE):
        for row in page:
            follower.take(entry_link(Entry(*row)))
        last = page[-1]["sequence"]
    return follower.end()


async def check_events(db: Connection, chain_id: int, anchors: Iterable[Anchor] | None = None) -> LogCheck:
    """The same of the market's sequence: acceptances, cancellations, gates and auctions."""
    follower = Follower(EVENTS, await mirrored(db, chain_id, EVENTS) if anchors is None else anchors)
    last = 0
    while page := await db.fetch(_SQL["events"], last, _PAGE):
        for sequence, kind, subject, payload, previous_hash, hash_ in page:
            follower.take(_event_link(sequence, kind, subject, payload, previous_hash, hash_))
        last = page[-1]["sequence"]
    return follower.end()


def _event_link(sequence: int, kind: str, subject: bytes, payload: bytes, previous_hash: bytes, hash_: bytes) -> Link:
    name = f"{kind} 0x{subject.hex()}"
    return Link(
        sequence, name, previous_hash, hash_, lambda before: event_hash(before, sequence, kind, subject, payload)
    )
