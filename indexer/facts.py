"""Fact tables: one per contract event, append-only, written in whole columns and erased by block."""

from collections.abc import Iterable, Sequence, Set
from typing import Any

import numpy as np

from indexer import intervals, sources, templates
from indexer.block import Block
from indexer.columns import Bytes2D
from indexer.copy import argument_field, bigint, copy, fixed, integer, timestamptz
from indexer.db import Connection, queries
from indexer.decode import Decoded, Rows, Undecoded
from indexer.event import Event
from indexer.logs import Segment
from indexer.manifest import INTERVAL, Manifest

SQL = queries(__name__)
BLOCK_COLUMNS = (
    "chain_id",
    "number",
    "hash",
    "parent_hash",
    "timestamp",
    "logs_bloom",
    "receipts_root",
    "transaction_count",
    "gas_used",
)


async def ensure(db: Connection, manifest: Manifest) -> None:
    """Creates what the manifest needs and the database lacks; names its contracts. Safe to repeat."""
    await db.execute(SQL["lock_schema"])
    for event in manifest.tables.values():
        await db.execute(table_ddl(event))
    await db.execute(transfers_view(await db.fetch(SQL["transfer_tables"])))
    for contract in manifest.contracts:
        if contract.factory is not None:
            continue
        await db.execute(
            SQL["name_contract"],
            manifest.chain_id,
            contract.address,
            contract.name,
            manifest.start_of(contract),
            list(contract.abi),
        )
    await sources.settle(db, manifest)
    await intervals.settle(db, manifest)


async def index_keys(db: Connection, manifest: Manifest) -> None:
    """Indexes the accounts in the fact tables: built once the history is in, because loading first is cheaper."""
    await db.execute(SQL["lock_schema"])
    await index_tables(db, manifest, manifest.tables)


async def index_tables(db: Connection, manifest: Manifest, tables: Iterable[str]) -> None:
    """The indexes of some fact tables."""
    events, chosen = manifest.tables, set(tables)
    statements = [statement for table in chosen for statement in index_ddl(events[table])]
    for statement in (*statements, *templates.indexes(manifest, chosen)):
        await db.execute(statement)


async def write(db: Connection, chain_id: int, segment: Segment, decoded: Decoded) -> None:
    """Appends a segment's blocks and events."""
    await copy(db, "blocks", BLOCK_COLUMNS, _block_fields(chain_id, segment.blocks))
    await _write_events(db, chain_id, segment, decoded)


async def write_late(db: Connection, chain_id: int, segment: Segment, decoded: Decoded, absent: Set[int]) -> None:
    """Appends events of blocks most of which are there already; ``absent`` are those that are not."""
    blocks = [block for block in segment.blocks if block.number in absent]
    if blocks:
        await copy(db, "blocks", BLOCK_COLUMNS, _block_fields(chain_id, blocks))
    await _write_events(db, chain_id, segment, decoded)


async def _write_events(db: Connection, chain_id: int, segment: Segment, decoded: Decoded) -> None:
    for rows in merge(decoded.rows):
        await append(db, chain_id, rows, segment.blocks)
    if decoded.undecoded:
        await db.executemany(SQL["keep_undecoded"], [_undecoded(chain_id, u) for u in decoded.undecoded])


async def append(db: Connection, chain_id: int, rows: Rows, blocks: Sequence[Block]) -> None:
    """Appends the rows of one fact table; ``blocks`` are consecutive and include those of the rows."""
    times = np.array([block.timestamp for block in blocks], dtype=np.int64)
    time = times[rows.block_number - blocks[0].number]
    await copy(db, rows.event.table, rows.event.columns, _fields(chain_id, rows, time))


async def erase(db: Connection, manifest: Manifest, first: int) -> int:
    """Removes every block and event from block ``first`` on; returns how many events.

    Contracts that have left the manifest have nothing that keeps their tokens' state in step: what loses events here
    loses its state, which is made anew when the contract comes back.
    """
    removed = 0
    known = [row["fact_table"] for row in await db.fetch(sources.SQL["tables"], manifest.chain_id)]
    former = [table for table in known if table not in manifest.tables]
    for table in former:
        for state in templates.TABLES.values():
            await db.execute(_forget_tokens(state, table), manifest.chain_id, first)
    for table in (*manifest.tables, *former, "undecoded_logs"):
        status = await db.execute(
            f'delete from blockchain."{table}" where chain_id = $1 and block_number >= $2',  # noqa: S608
            manifest.chain_id,
            first,
        )
        removed += int(status.split()[1]) if table != INTERVAL.table else 0
    await db.execute(SQL["erase_blocks"], manifest.chain_id, first)
    return removed


def _forget_tokens(state: str, table: str) -> str:
    return (
        f"delete from blockchain.{state} where chain_id = $1 and token in "  # noqa: S608
        f'(select emitter from blockchain."{table}" where chain_id = $1 and block_number >= $2)'
    )


def table_ddl(event: Event) -> str:
    """The fact table of an event."""
    arguments = "".join(f',\n    "{a.column}" {a.sql_type} not null' for a in event.arguments)
    return (
        f'create table if not exists blockchain."{event.table}" (\n'
        "    chain_id bigint not null,\n    block_number bigint not null,\n    log_index bigint not null,\n"
        "    transaction_hash bytea not null,\n    block_time timestamptz not null,\n"
        f"    emitter bytea not null{arguments},\n"
        "    primary key (chain_id, block_number, log_index)\n)"
    )


def index_ddl(event: Event) -> list[str]:
    """Indexes over the indexed addresses of an event."""
    return [
        f'create index if not exists "{event.table[5:55]}_{number}" on blockchain."{event.table}" '
        f'("{argument.column}", block_number)'
        for number, argument in enumerate(event.arguments)
        if argument.indexed and argument.abi_type == "address"
    ]


def transfers_view(tables: Sequence[Any]) -> str:
    """One view over the Transfer events of all ERC-20 tokens.

    Source: ERC-20, https://eips.ethereum.org/EIPS/eip-20
    """
    columns = 'chain_id, block_number, log_index, emitter as token, "from" as sender, "to" as recipient, value'
    parts = [f'select {columns} from blockchain."{row["table_name"]}"' for row in tables]  # noqa: S608
    nothing = (
        "select 0::bigint as chain_id, 0::bigint as block_number, 0::bigint as log_index, ''::bytea as token, "
        "''::bytea as sender, ''::bytea as recipient, 0::numeric(78, 0) as value where false"
    )
    made = "create or replace view blockchain.erc20_transfers with (security_invoker = true) as "
    return made + " union all ".join(parts or [nothing])


def merge(groups: Sequence[Rows]) -> list[Rows]:
    """Rows of one table from several contracts as one."""
    merged: dict[str, Rows] = {}
    for rows in groups:
        before = merged.get(rows.event.table)
        merged[rows.event.table] = rows if before is None else _join(before, rows)
    return list(merged.values())


def _join(one: Rows, other: Rows) -> Rows:
    return Rows(
        event=one.event,
        block_number=np.concatenate((one.block_number, other.block_number)),
        log_index=np.concatenate((one.log_index, other.log_index)),
        transaction_hash=np.concatenate((one.transaction_hash, other.transaction_hash)),
        emitter=np.concatenate((one.emitter, other.emitter)),
        values=tuple(
            a + b if isinstance(a, list) and isinstance(b, list) else np.concatenate((a, b))
            for a, b in zip(one.values, other.values, strict=True)
        ),
    )


def _fields(chain_id: int, rows: Rows, time: Any) -> list[Bytes2D | list[bytes]]:
    return [
        bigint(np.full(len(rows), chain_id)),
        bigint(rows.block_number),
        bigint(rows.log_index),
        fixed(rows.transaction_hash),
        timestamptz(time),
        fixed(rows.emitter),
        *(argument_field(argument, values) for argument, values in zip(rows.event.arguments, rows.values, strict=True)),
    ]


def _block_fields(chain_id: int, blocks: Sequence[Block]) -> list[Bytes2D | list[bytes]]:
    return [
        bigint(np.full(len(blocks), chain_id)),
        bigint([block.number for block in blocks]),
        fixed(_stack([block.hash for block in blocks])),
        fixed(_stack([block.parent_hash for block in blocks])),
        timestamptz([block.timestamp for block in blocks]),
        fixed(_stack([block.logs_bloom for block in blocks])),
        fixed(_stack([block.receipts_root for block in blocks])),
        integer([block.transaction_count for block in blocks]),
        bigint([block.gas_used for block in blocks]),
    ]


def _stack(values: list[bytes]) -> Bytes2D:
    return np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), -1)


def _undecoded(chain_id: int, undecoded: Undecoded) -> tuple[Any, ...]:
    log = undecoded.log
    return (
        chain_id,
        log.block_number,
        log.log_index,
        log.transaction_hash,
        log.address,
        list(log.topics),
        log.data,
        undecoded.reason,
    )
