"""The log of changes: its chain of hashes again, and the entries that were anchored on chain.

An anchor is an attestation of no registers, in a zone that no meter is in, at the number of a log entry and with its
hash for a root: from then on nobody can change, drop or put in an entry up to that one without its being found.
"""

import hashlib
import logging
from dataclasses import dataclass
from typing import Final

from indexer.db import Connection, queries
from node import outbox
from node.audit.compare import NOTHING, Finding, show
from node.settlement import calldata
from node.settlement.context import SettlementContext

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
ANCHOR_ZONE: Final = 2**32 - 1
ANCHOR_EVERY_S: Final = 86_400
_CHAIN: Final = "hash chain"
_LOG: Final = "audit.audit_logs"
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


def entry_findings(entry: Entry, before: Entry | None) -> list[Finding]:
    """What does not fit of an entry and the one before it in the table."""
    number = 0 if before is None else before.sequence
    last = bytes(32) if before is None else before.hash
    name = f"row {entry.sequence} ({entry.operation} {entry.table_name} {entry.record_id})"
    if entry.sequence != number + 1:
        gap = f"row {number + 1}" if entry.sequence == number + 2 else f"rows {number + 1} to {entry.sequence - 1}"
        return [Finding("log", gap, "an entry", NOTHING, _CHAIN, _LOG)]
    hash_ = entry_hash(entry, last)
    pairs = (("previous_hash", last, entry.previous_hash), ("hash", hash_, entry.hash))
    return [
        Finding("log", f"{name} {field}", show(expected), show(actual), _CHAIN, _LOG)
        for field, expected, actual in pairs
        if expected != actual
    ]


async def check_log(db: Connection, chain_id: int) -> list[Finding]:
    """Every entry that was changed, dropped or put in, as far as the chain of hashes and the anchors tell."""
    anchors, findings = await _anchors(db, chain_id)
    before: Entry | None = None
    while page := await db.fetch(_SQL["page"], before.sequence if before else 0, _PAGE):
        for row in page:
            entry = Entry(*row)
            findings += entry_findings(entry, before)
            anchored = anchors.pop(entry.sequence, entry.hash)
            if anchored != entry.hash:
                subject = f"row {entry.sequence} anchored hash"
                findings.append(Finding("log", subject, show(anchored), show(entry.hash), "RegistersAttested", _LOG))
            before = entry
    missing = (
        Finding("log", f"row {number}", show(anchors[number]), NOTHING, "RegistersAttested", _LOG)
        for number in sorted(anchors)
    )
    return [*findings, *missing]


async def _anchors(db: Connection, chain_id: int) -> tuple[dict[int, bytes], list[Finding]]:
    """The anchored hashes. The first of an entry counts: a later one with another hash tells of tampering."""
    anchors: dict[int, bytes] = {}
    findings = []
    for row in await db.fetch(_SQL["anchored"], chain_id, ANCHOR_ZONE):
        number, first = row["sequence"], anchors.setdefault(row["sequence"], row["hash"])
        if first != row["hash"]:
            subject = f"row {number} anchored again"
            origin = "RegistersAttested"
            findings.append(Finding("log", subject, show(first), show(row["hash"]), origin, origin))
    return anchors, findings


async def anchor(db: Connection, ctx: SettlementContext) -> int | None:
    """Asks for the anchor of the last entry, once a day; returns its number. Needs a transaction."""
    row = await db.fetchrow(_SQL["to_anchor"], ANCHOR_EVERY_S)
    if row is None:
        return None
    call = calldata.attest(ANCHOR_ZONE, row["sequence"], row["hash"], b"", 0)
    await outbox.enqueue(
        db,
        key=f"anchor:{row['sequence']}",
        kind="anchor",
        sender=ctx.operator,
        target=ctx.deployment.address("ProductionLedger"),
        calldata=call.data,
        gas_limit=call.gas_limit,
    )
    logger.info("log anchored: entry=%d hash=0x%s", row["sequence"], row["hash"].hex())
    return int(row["sequence"])
