"""The newest contract events over all fact tables, with their arguments as JSON writes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.rest.fields import Address, Answer, Hash, Instant
from contracts.typed_data import checksum
from indexer import sources
from indexer.db import Connection
from indexer.event import Argument, Event, Kind

LOG_INDEX_BITS = 20


class LedgerEvent(Answer):
    """One event of one contract; ``arguments`` as the contract names them, integers as decimal strings."""

    id: str
    """Block number and log index: `1234-7`."""
    contract: str
    event: str
    emitter: Address
    block_number: int
    log_index: int
    block_time: Instant
    transaction_hash: Hash
    arguments: dict[str, Any]


async def newest(
    db: Connection,
    chain_id: int,
    contract: str | None,
    event: str | None,
    before: int | None,
    limit: int,
    as_of: int | None,
) -> list[Mapping[str, Any]]:
    """A page of events, newest first; ``key`` orders them and goes into the cursor. ``as_of``: up to a block."""
    known = await sources.events(db, chain_id)
    wanted = {e.table: e for e in known if contract in (None, e.contract) and event in (None, e.name)}
    if not wanted:
        return []
    rows = await db.fetch(_union(list(wanted)), chain_id, before, limit, as_of)
    return [_row(wanted[row["fact"]], dict(row)) for row in rows]


def _union(tables: Sequence[str]) -> str:
    """Reads at most ``$3`` rows of each table; the tables' names come from the catalogue."""
    key = f"(block_number << {LOG_INDEX_BITS}) + log_index"
    parts = [
        # Names come from the catalogue, values are parameters.
        f"(select '{table}' as fact, {key} as key, to_jsonb(f) as fields, transaction_hash, emitter, block_time "  # noqa: S608
        f'from blockchain."{table}" as f where chain_id = $1 '
        f"and ($4::bigint is null or block_number <= $4) "
        f"and ($2::bigint is null or (block_number, log_index) < "
        f"($2 >> {LOG_INDEX_BITS}, $2 & {(1 << LOG_INDEX_BITS) - 1})) "
        f"order by block_number desc, log_index desc limit $3)"
        for table in tables
    ]
    return f"select * from ({' union all '.join(parts)}) as newest order by key desc limit $3"  # noqa: S608


def _row(event: Event, row: Mapping[str, Any]) -> dict[str, Any]:
    fields = row["fields"]
    return {
        "key": row["key"],
        "id": f"{fields['block_number']}-{fields['log_index']}",
        "contract": event.contract,
        "event": event.name,
        "emitter": row["emitter"],
        "block_number": fields["block_number"],
        "log_index": fields["log_index"],
        "block_time": row["block_time"],
        "transaction_hash": row["transaction_hash"],
        "arguments": {a.name: _written(a, fields[a.column]) for a in event.arguments},
    }


def _written(argument: Argument, value: Any) -> Any:
    """PostgreSQL's JSON of a column as the API writes it: integers as text, bytes with 0x."""
    sql_type = argument.sql_type.removesuffix("[]")
    if argument.kind is Kind.ARRAY:
        return [_scalar(sql_type, part) for part in value]
    return checksum(bytes.fromhex(value[2:])) if argument.kind is Kind.ADDRESS else _scalar(sql_type, value)


def _scalar(sql_type: str, value: Any) -> Any:
    match sql_type:
        case "boolean" | "text" | "jsonb":
            return value
        case "bytea":
            return "0x" + value[2:]
        case _:
            return str(value)
