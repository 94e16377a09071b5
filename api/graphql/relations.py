"""What can be asked: the mirror's tables of events and of state, with columns and keys as PostgreSQL has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from indexer.db import Connection, queries

SQL = queries(__name__)

HIDDEN: Final = frozenset({"chain_id"})
"""Every answer is of one chain."""
STATES: Final = frozenset(
    {
        "account_balances",
        "asset_purchases",
        "asset_tokens",
        "attested_registers",
        "blocks",
        "call_traces",
        "carbon_vintages",
        "certificates",
        "chain_intervals",
        "contract_executions",
        "escrow_deals",
        "mandates",
        "meters",
        "native_transfers",
        "participants",
        "proposal_votes",
        "proposals",
        "receipts",
        "registers",
        "settled_imbalances",
        "settled_orders",
        "smart_contracts",
        "staking_pools",
        "staking_positions",
        "token_balances",
        "token_id_balances",
        "token_owners",
        "transactions",
    }
)
"""Tables that tell what the chain says. All others, but for events, are the indexer's own books."""
FACTS: Final = "fact_"
"""How the tables of events are called, whoever's contracts they are of."""


class Kind(Enum):
    """How a column is written and compared."""

    INTEGER = "integer"
    BIG = "big"
    TEXT = "text"
    BYTES = "bytes"
    ADDRESS = "address"
    FLAG = "flag"
    TIME = "time"
    OTHER = "other"

    @property
    def ordered(self) -> bool:
        """Whether it can be greater or less."""
        return self in (Kind.INTEGER, Kind.BIG, Kind.TIME)


KINDS: Final[Mapping[str, Kind]] = {
    "smallint": Kind.INTEGER,
    "integer": Kind.INTEGER,
    "bigint": Kind.BIG,
    "numeric": Kind.BIG,
    "text": Kind.TEXT,
    "character varying": Kind.TEXT,
    "bytea": Kind.BYTES,
    "boolean": Kind.FLAG,
    "timestamp with time zone": Kind.TIME,
}
ADDRESS_DOMAIN: Final = "blockchain.evm_address"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``field`` is its name in GraphQL."""

    name: str
    field: str
    kind: Kind
    nullable: bool
    sql_type: str
    """The type below domains, as values are cast to it: any other would keep keys from being used."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One table. ``key`` orders its rows and names each of them."""

    table: str
    field: str
    type_name: str
    columns: tuple[Column, ...]
    key: tuple[Column, ...]
    description: str | None

    def column(self, field: str) -> Column:
        """The column of a field."""
        return next(column for column in self.columns if column.field == field)


async def fingerprint(db: Connection) -> str:
    """Changes when a table of the mirror is added or altered."""
    return str(await db.fetchval(SQL["fingerprint"]))


async def relations(db: Connection) -> tuple[Relation, ...]:
    """Every table of events or of state that is of one chain and has a primary key, in the order of their names."""
    found: dict[str, list[Mapping[str, object]]] = {}
    for row in await db.fetch(SQL["columns"]):
        found.setdefault(row["table_name"], []).append(dict(row))
    made = [_relation(table, rows) for table, rows in found.items() if is_told(table)]
    return tuple(relation for relation in made if relation is not None)


def is_told(table: str) -> bool:
    """Whether a table may be asked for."""
    return table.startswith(FACTS) or table in STATES


def _relation(table: str, rows: Sequence[Mapping[str, object]]) -> Relation | None:
    names = {row["column_name"] for row in rows}
    if "chain_id" not in names:
        return None
    columns = tuple(_column(row) for row in rows if row["column_name"] not in HIDDEN)
    places = {str(row["column_name"]): int(str(row["key_place"])) for row in rows if row["key_place"] is not None}
    key = tuple(sorted((c for c in columns if c.name in places), key=lambda c: places[c.name]))
    if not key:
        return None
    name = table.removeprefix(FACTS)
    description = rows[0]["description"]
    return Relation(table, camel(name), pascal(name), columns, key, None if description is None else str(description))


def _column(row: Mapping[str, object]) -> Column:
    name, sql_type = str(row["column_name"]), str(row["sql_type"])
    base = sql_type.partition("(")[0].strip()
    kind = Kind.ADDRESS if row["domain"] == ADDRESS_DOMAIN or _is_address(row) else KINDS.get(base, Kind.OTHER)
    if base == "numeric" and not sql_type.endswith((",0)", "numeric")):
        kind = Kind.OTHER
    return Column(name, camel(name), kind, bool(row["nullable"]), base)


def _is_address(row: Mapping[str, object]) -> bool:
    """Event arguments are plain bytes; the emitter is always an address."""
    return row["column_name"] == "emitter"


def camel(name: str) -> str:
    """GraphQL's way to write a name: ``energy_wh`` is ``energyWh``."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def pascal(name: str) -> str:
    """The same for a type."""
    written = camel(name)
    return written[:1].upper() + written[1:]
