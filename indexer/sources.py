"""How far each event of each contract is indexed, so that what is added later is indexed by itself.

Most sources follow the chain's cursor. One that is added to a chain already indexed starts at its own first block
and comes after, while the others go on; when it reaches the cursor it joins them. One that leaves the manifest
keeps its rows and remembers where it stopped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from indexer import cursor as cursors
from indexer.db import Connection, queries
from indexer.errors import ConfigError
from indexer.event import Event, event_of
from indexer.manifest import Contract, Manifest
from indexer.watch import Child, Watch

SQL = queries(__name__)
Key: TypeAlias = tuple[str, bytes]
"""Fact table and emitter; the emitter is empty for all contracts of a factory."""


@dataclass(frozen=True, slots=True)
class Source:
    """One event of one contract."""

    table: str
    emitter: bytes
    start_block: int
    next_block: int | None
    """First block not yet indexed; None where the source follows the cursor."""

    @property
    def key(self) -> Key:
        return self.table, self.emitter


def wanted(manifest: Manifest) -> dict[Key, int]:
    """The manifest's sources with their first blocks."""
    return {
        (event.table, contract.address): manifest.start_of(contract)
        for contract in manifest.contracts
        for event in contract.events
    }


def plan(found: Mapping[Key, Source], starts: Mapping[Key, int], number: int) -> tuple[list[Source], list[Source]]:
    """What to add, and what to stop, where ``number`` is the last indexed block.

    Raises:
        ConfigError: a source is to start earlier than it did.
    """
    faults = [
        f"{key[0]} is indexed from block {found[key].start_block} on, not from {start}: "
        "give the contract another name to index it anew"
        for key, start in starts.items()
        if key in found and start < found[key].start_block
    ]
    if faults:
        raise ConfigError(faults)
    new = [Source(*key, start, start if start <= number else None) for key, start in starts.items() if key not in found]
    gone = [
        Source(*key, source.start_block, number + 1)
        for key, source in found.items()
        if key not in starts and source.next_block is None
    ]
    return new, gone


async def settle(db: Connection, manifest: Manifest) -> None:
    """Notes what the manifest adds and what it drops. Safe to repeat."""
    chain_id = manifest.chain_id
    cursor = await cursors.load(db, chain_id)
    if cursor is None:
        await db.execute(SQL["restart"], chain_id)
    number = manifest.start_block - 1 if cursor is None else cursor.number
    found = await known(db, chain_id)
    new, gone = plan(found, wanted(manifest), number)
    rows = [(chain_id, s.table, s.emitter, s.start_block, None if cursor is None else s.next_block) for s in new]
    await db.executemany(SQL["add"], rows)
    await db.executemany(SQL["stop"], [(chain_id, s.table, s.emitter, s.next_block) for s in gone])
    told = [(e.table, c.address, c.name, e.entry) for c in manifest.contracts for e in c.events]
    await db.execute(SQL["describe"], chain_id, *([row[at] for row in told] for at in range(4)))


async def known(db: Connection, chain_id: int) -> dict[Key, Source]:
    """All sources that were ever indexed or are to be."""
    rows = await db.fetch(SQL["known"], chain_id)
    return {(row["fact_table"], row["emitter"]): Source(*row) for row in rows}


async def events(db: Connection, chain_id: int) -> list[Event]:
    """Every event that has a fact table, of all contracts that were ever in the chain's manifest."""
    rows = await db.fetch(SQL["described"], chain_id)
    return [replace(event_of(row["contract"], row["abi"]), table=row["fact_table"]) for row in rows]


async def late(db: Connection, manifest: Manifest) -> list[Source]:
    """The manifest's sources that do not follow the cursor yet."""
    starts, found = wanted(manifest), await known(db, manifest.chain_id)
    return [source for key, source in found.items() if key in starts and source.next_block is not None]


async def open_watch(db: Connection, manifest: Manifest) -> Watch:
    """Everything that follows the cursor, with the contracts that factories have made so far."""
    behind = {source.key for source in await late(db, manifest)}
    return Watch(manifest, await children(db, manifest), lambda c, e: (e.table, c.address) not in behind)


async def watch_only(db: Connection, manifest: Manifest, group: Iterable[Source]) -> Watch:
    """Some sources by themselves."""
    keys = {source.key for source in group}
    return Watch(manifest, await children(db, manifest), lambda c, e: (e.table, c.address) in keys)


async def children(db: Connection, manifest: Manifest) -> list[Child]:
    """The contracts that factories have made, oldest first, from the facts of their creation."""
    found: list[Child] = []
    for contract in manifest.contracts:
        for event, column in announcements(manifest, contract):
            rows = await db.fetch(
                f'select "{column}" as address, min(block_number) as block from blockchain."{event.table}" '  # noqa: S608
                "where chain_id = $1 group by 1",
                manifest.chain_id,
            )
            found += [Child(row["address"], row["block"], contract.name) for row in rows]
    return sorted(found, key=lambda child: child.block)


def announcements(manifest: Manifest, contract: Contract) -> list[tuple[Event, str]]:
    """The events that tell of a factory's contracts, each with the column of their addresses."""
    factory = contract.factory
    if factory is None:
        return []
    events = {event.table: event for parent in manifest.named(factory.contract) for event in parent.events}
    return [
        (event, argument.column)
        for event in events.values()
        if factory.event in (event.name, event.signature)
        for argument in event.arguments
        if factory.argument in (argument.name, argument.column)
    ]


async def rewind(db: Connection, chain_id: int, ancestor: int) -> None:
    """Takes back progress beyond the last block that a reorg left."""
    await db.execute(SQL["rewind"], chain_id, ancestor)
