"""Functions of contracts, called at blocks that a manifest names, and what they returned in a typed table for each."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from indexer.calls import NO_STATE, OK, Caller, Outcome, Request
from indexer.db import Connection, queries
from indexer.event import Event
from indexer.follower import BlockGone, Follower, Indexed
from indexer.functions import Function, as_column, function_of
from indexer.manifest import Manifest, Read

__all__ = ["BlockGone", "Reads", "table_ddl"]

logger = logging.getLogger(__name__)

SQL = queries(__name__)
STREAM: Final = "reads"
BLOCKS_AT_ONCE: Final = 200
BASE: Final = ("chain_id", "block_number", "contract")
UNDECODABLE: Final = "undecodable"


@dataclass(frozen=True, slots=True)
class _Asked:
    """One call that a read makes."""

    read: "Declared"
    request: Request
    arguments: tuple[Any, ...]
    time_s: int


@dataclass(frozen=True, slots=True)
class Declared:
    """A read with everything that it needs of the manifest."""

    read: Read
    function: Function
    addresses: tuple[bytes, ...]
    """Empty where the event's own contract is called."""
    starts: Mapping[bytes, int]
    """First blocks of those addresses."""
    start_block: int
    events: tuple[Event, ...]
    emitters: tuple[bytes, ...]

    @property
    def source(self) -> str:
        """Changes with what is asked, so that it is asked again."""
        read = self.read
        told = [self.function.signature, read.arguments, read.every, read.on, [a.hex() for a in self.addresses]]
        return f"{read.table}:{hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:16]}"


def declared(manifest: Manifest) -> list[Declared]:
    """The manifest's reads. Raises ValueError for what ``manifest_rules`` refuses."""
    found = []
    for read in manifest.reads:
        contracts = manifest.named(read.contract)
        events: tuple[Event, ...] = ()
        emitters: tuple[bytes, ...] = ()
        owner = read.contract
        if read.on is not None:
            owner, _, name = read.on.partition(".")
            named = manifest.named(owner)
            events = tuple({e.table: e for c in named for e in c.events if name in (e.name, e.signature)}.values())
            emitters = tuple(contract.address for contract in named)
        own = read.on is not None and owner == read.contract
        starts = {} if own else {contract.address: manifest.start_of(contract) for contract in contracts}
        start = min(manifest.start_of(contract) for contract in contracts)
        function = function_of(contracts[0].abi, read.function)
        found.append(Declared(read, function, tuple(starts), starts, start, events, emitters))
    return found


def table_ddl(one: Declared) -> str:
    """The table of a read: its arguments, and what came back."""
    inputs = "".join(f',\n    "{part.column}" {part.sql_type} not null' for part in one.function.inputs)
    outputs = "".join(f',\n    "{part.column}" {part.sql_type}' for part in one.function.outputs)
    keys = "".join(f', "{part.column}"' for part in one.function.inputs)
    return (
        f'create table if not exists blockchain."{one.read.table}" (\n'
        "    chain_id bigint not null,\n    block_number bigint not null,\n    contract bytea not null,\n"
        f"    block_time timestamptz not null{inputs},\n    status text not null{outputs},\n"
        f"    primary key (chain_id, block_number, contract{keys}),\n"
        "    foreign key (chain_id, block_number) references blockchain.blocks (chain_id, number) on delete cascade\n)"
    )


class Reads:
    """Follows one chain over one connection."""

    def __init__(self, db: Connection, caller: Caller, manifest: Manifest) -> None:
        self.follower = Follower(db, manifest.chain_id, STREAM)
        self._db = db
        self._caller = caller
        self._chain_id = manifest.chain_id
        self._declared = declared(manifest)

    async def prepare(self) -> None:
        """Makes the tables; what changed is read anew, and what no node had state for, if this one has."""
        async with self._db.transaction():
            for one in self._declared:
                await self._db.execute(table_ddl(one))
            known = {row["source"] for row in await self._db.fetch(SQL["known"], self._chain_id)}
            for one in self._declared:
                former = {source for source in known if source.startswith(f"{one.read.table}:")}
                if former - {one.source}:
                    await self._db.execute(
                        f'delete from blockchain."{one.read.table}" where chain_id = $1',  # noqa: S608 -- our own name
                        self._chain_id,
                    )
                    # Forgotten now, so that it counts as new even if it was known before the last change.
                    await self.follower.forget([*former, one.source])
        for one in self._declared:
            await self._retry(one)

    async def _retry(self, one: Declared) -> None:
        table = f'blockchain."{one.read.table}"'
        row = await self._db.fetchrow(
            f"select r.block_number, b.hash from {table} r join blockchain.blocks b "  # noqa: S608 -- our own name
            "on b.chain_id = r.chain_id and b.number = r.block_number "
            "where r.chain_id = $1 and r.status = $2 order by r.block_number limit 1",
            self._chain_id,
            NO_STATE,
        )
        if row is None or not await self._caller.has_state(row["hash"]):
            return
        logger.info("reading what had no state again chain=%d table=%s", self._chain_id, one.read.table)
        async with self._db.transaction():
            await self._db.execute(
                f"delete from {table} where chain_id = $1 and status = $2",  # noqa: S608 -- our own name
                self._chain_id,
                NO_STATE,
            )
            await self._db.execute(SQL["back_to"], self._chain_id, row["block_number"] - 1)

    async def step(self) -> int:
        """Takes the next blocks in; returns how many there were.

        Raises:
            BlockGone: a reorganisation is under way; nothing was written.
            Disagreement, RpcRefused, RpcUnavailable: nothing was written; a later step may succeed.
        """
        ready = await self._ready()
        await self.follower.settle({one.source: one.start_block for one in ready})
        number, blocks = await self.follower.following(BLOCKS_AT_ONCE)
        if not blocks:
            return 0
        asked = [call for one in ready for call in await self._calls(one, blocks)]
        finalized = await self._db.fetchval(SQL["finalized"], self._chain_id) or 0
        outcomes = await self._caller.ask([call.request for call in asked], finalized)
        async with self.follower.passing(number, blocks):
            for one in ready:
                rows = [self._row(c, o) for c, o in zip(asked, outcomes, strict=True) if c.read is one]
                if rows:
                    await self._db.executemany(_insert(one), rows)
        return len(blocks)

    async def _ready(self) -> list[Declared]:
        """Reads on an event are made once all its history is in."""
        rows = await self._db.fetch(SQL["following"], self._chain_id)
        following = {(row["fact_table"], row["emitter"]) for row in rows}
        return [
            one
            for one in self._declared
            if all((event.table, emitter) in following for event in one.events for emitter in one.emitters)
        ]

    async def _calls(self, one: Declared, blocks: Sequence[Indexed]) -> list[_Asked]:
        by_number = {block.number: block for block in blocks if block.number >= one.start_block}
        if every := one.read.every:
            chosen = [block for number, block in by_number.items() if number % every == 0]
            moments: Iterable[tuple[Indexed, bytes, Mapping[str, Any]]] = [
                (block, address, {}) for block in chosen for address in one.addresses
            ]
        else:
            moments = await self._moments(one, by_number)
        found: dict[Request, _Asked] = {}
        for block, address, values in moments:
            if block.number < one.starts.get(address, 0):
                continue
            arguments = tuple(_value(argument, values) for argument in one.read.arguments)
            request = Request(block.number, block.hash, address, one.function.calldata(arguments))
            found.setdefault(request, _Asked(one, request, arguments, block.time))
        return list(found.values())

    async def _moments(
        self, one: Declared, blocks: Mapping[int, Indexed]
    ) -> list[tuple[Indexed, bytes, Mapping[str, Any]]]:
        """Every event, with the contracts to be called for it."""
        found: list[tuple[Indexed, bytes, Mapping[str, Any]]] = []
        for event in one.events if blocks else ():
            rows = await self._db.fetch(
                f'select * from blockchain."{event.table}" '  # noqa: S608 -- our own name
                "where chain_id = $1 and block_number between $2 and $3 order by block_number, log_index",
                self._chain_id,
                min(blocks),
                max(blocks),
            )
            for row in rows:
                values = {"emitter": row["emitter"], **{a.name: row[a.column] for a in event.arguments}}
                block = blocks.get(row["block_number"])
                if block is not None:
                    found += [(block, address, values) for address in one.addresses or (row["emitter"],)]
        return found

    def _row(self, asked: _Asked, outcome: Outcome) -> tuple[Any, ...]:
        function, request = asked.read.function, asked.request
        inputs = [as_column(p.shape, v) for p, v in zip(function.inputs, asked.arguments, strict=True)]
        status, outputs = outcome.status, (None,) * len(function.outputs)
        if status == OK:
            try:
                outputs = function.columns(outcome.data)
            except ValueError:
                status = UNDECODABLE
        return (self._chain_id, request.block_number, request.to, asked.time_s, *inputs, status, *outputs)


def _insert(one: Declared) -> str:
    inputs = [f'"{part.column}"' for part in one.function.inputs]
    outputs = [f'"{part.column}"' for part in one.function.outputs]
    columns = [*BASE, "block_time", *inputs, "status", *outputs]
    places = [
        f"${at}" if name != "block_time" else f"to_timestamp(${at}::bigint)" for at, name in enumerate(columns, 1)
    ]
    return (
        f'insert into blockchain."{one.read.table}" ({", ".join(columns)}) '  # noqa: S608 -- names of our own tables
        f"values ({', '.join(places)}) on conflict ({', '.join([*BASE, *inputs])}) do nothing"
    )


def _value(argument: Any, values: Mapping[str, Any]) -> Any:
    """A literal, or what the event says."""
    return values[argument[1:]] if isinstance(argument, str) and argument.startswith("$") else argument
