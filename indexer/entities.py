"""Entities of Python handlers: a dataclass is a table; many are loaded by one query and written by one statement.

What a block that may still be orphaned changes is journalled first: the row as it was before the block. A
reorganisation puts those rows back, exactly, without knowing what the handlers did.
"""

import dataclasses
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from indexer.copy import Field, bigint, copy, fixed, numeric, numeric_of, variable
from indexer.db import Connection
from indexer.errors import GridtraceError
from indexer.event import snake

T = TypeVar("T")
Key = Any
"""A key column's value; a tuple of them where there are several."""

BigInt = Annotated[int, "bigint"]
"""An integer of 64 bits: smaller and faster than the default of 78 digits."""
SQL_TYPES: Final = {bytes: "bytea", int: "numeric(78, 0)", str: "text", bool: "boolean"}
RESERVED: Final = frozenset({"chain_id", "existed", "block_number", "is_gone"})
NULL: Final = b"\xff\xff\xff\xff"
WORD: Final = 32
LARGEST: Final = 10**78


class EntityError(GridtraceError):
    """An entity is not one, or holds what its columns cannot."""

    code = "entity-invalid"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an entity."""

    name: str
    type: type
    is_big: bool
    is_optional: bool

    @property
    def sql_type(self) -> str:
        return "bigint" if self.is_big else SQL_TYPES[self.type]

    @property
    def ddl(self) -> str:
        return f'"{self.name}" {self.sql_type}' + ("" if self.is_optional else " not null")

    def read(self, values: Sequence[Any]) -> Sequence[Any]:
        """Plain values of the database's."""
        if self.type is not int or self.is_big:
            return values
        return (
            [None if value is None else int(value) for value in values] if self.is_optional else list(map(int, values))
        )

    def field(self, values: Sequence[Any], *, is_optional: bool = False) -> Field:
        """The column on the wire. Raises EntityError for what does not fit."""
        try:
            if self.is_optional or is_optional:
                return [NULL if value is None else _one(self, value) for value in values]
            return _encoded(self, values)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise EntityError(f"{self.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Before:
    """A row as it was before a block; without values where there was none."""

    block: int
    key: Key
    values: tuple[Any, ...] | None


class Entity:
    """A dataclass with its table in the schema ``entities``."""

    def __init__(self, record: type[Any], keys: Sequence[str]) -> None:
        """Raises EntityError where it is no dataclass of supported types with these keys."""
        if not dataclasses.is_dataclass(record):
            raise EntityError(f"{record.__name__} is no dataclass")
        self.record: Callable[..., Any] = record
        self.name = record.__name__
        self.table = snake(record.__name__)
        self.columns = tuple(_column(record, field) for field in dataclasses.fields(record))
        names = [column.name for column in self.columns]
        if not keys or list(keys) != names[: len(keys)]:
            raise EntityError(f"{record.__name__}: its keys {', '.join(keys)} must be its first fields")
        if clash := RESERVED.intersection(names):
            raise EntityError(f"{record.__name__}: {min(clash)} is a name of ours")
        self.keys = tuple(keys)
        count = len(keys)
        if any(column.is_optional for column in self.columns[:count]):
            raise EntityError(f"{record.__name__}: a key may not be None")
        self.statements = _Statements(self.table, self.columns, count)
        self.values: Callable[[Any], tuple[Any, ...]] = _getter(names)
        """The fields of a record."""
        self._count = count

    def key_of(self, record: Any) -> Key:
        if self._count == 1:
            return getattr(record, self.keys[0])
        return tuple(getattr(record, name) for name in self.keys)

    def new(self, key: Key) -> Any:
        """A record with its fields' defaults. Raises EntityError where a field has none."""
        try:
            return self.record(key) if self._count == 1 else self.record(*key)
        except TypeError as error:
            raise EntityError(f"{self.name} has a field without a default: {error}") from error

    async def fetch(self, db: Connection, chain_id: int, keys: Sequence[Key]) -> dict[Key, Any]:
        """Those of the keys that there are."""
        if self._count == 1:
            rows = await db.fetch(self.statements.select, chain_id, keys)
        else:
            rows = await db.fetch(self.statements.select, chain_id, *map(list, zip(*keys, strict=True)))
        if not rows:
            return {}
        columns = [column.read(values) for column, values in zip(self.columns, zip(*rows, strict=True), strict=True)]
        keys_found = columns[0] if self._count == 1 else zip(*columns[: self._count], strict=True)
        return dict(zip(keys_found, map(self.record, *columns), strict=True))

    async def write(self, db: Connection, chain_id: int, saved: Sequence[Any], gone: Sequence[Key]) -> None:
        """Upserts and deletes."""
        await db.execute(self.statements.stage)
        rows = [*map(self.values, saved), *(self.values(self.new(key)) for key in gone)]
        fields = [column.field(values) for column, values in zip(self.columns, zip(*rows, strict=True), strict=True)]
        flags = np.zeros((len(rows), 1), dtype=np.uint8)
        flags[len(saved) :] = 1
        names = (*(column.name for column in self.columns), "is_gone")
        await copy(db, self.statements.staged, names, [*fields, fixed(flags)], schema="pg_temp")
        if gone:
            await db.execute(self.statements.delete, chain_id)
        if saved:
            await db.execute(self.statements.merge, chain_id)

    async def journal(self, db: Connection, chain_id: int, entries: Sequence["Before"]) -> None:
        """Keeps what there was before some blocks."""
        nothing = (None,) * (len(self.columns) - self._count)
        rows = [(*self._key_values(e.key), *nothing) if e.values is None else e.values for e in entries]
        columns = zip(self.columns, zip(*rows, strict=True), strict=True)
        fields: list[Field] = [
            bigint(np.full(len(entries), chain_id)),
            bigint([entry.block for entry in entries]),
            fixed(np.array([entry.values is not None for entry in entries], dtype=np.uint8).reshape(-1, 1)),
            *(column.field(values, is_optional=None in values) for column, values in columns),
        ]
        names = ("chain_id", "block_number", "existed", *(column.name for column in self.columns))
        await copy(db, f"{self.table}_journal", names, fields, schema="entities")

    def _key_values(self, key: Key) -> tuple[Any, ...]:
        return (key,) if self._count == 1 else tuple(key)

    async def restore(self, db: Connection, chain_id: int, first: int) -> None:
        """Every row as it was before block ``first``."""
        await db.execute(self.statements.restore, chain_id, first)
        await db.execute(self.statements.unjournal, chain_id, first)

    async def clear(self, db: Connection, chain_id: int) -> None:
        """Forgets every row and what is journalled."""
        for table in (self.table, f"{self.table}_journal"):
            await db.execute(f'delete from entities."{table}" where chain_id = $1', chain_id)  # noqa: S608

    async def prune(self, db: Connection, chain_id: int, finalized: int) -> None:
        """Forgets the journal of blocks that are final."""
        await db.execute(self.statements.prune, chain_id, finalized)


class _Statements:
    """The SQL of one entity; names come from its dataclass, values are parameters."""

    def __init__(self, table: str, columns: Sequence[Column], key_count: int) -> None:
        keys = [f'"{column.name}"' for column in columns[:key_count]]
        rest = [f'"{column.name}"' for column in columns[key_count:]]
        every = [*keys, *rest]
        name, journal, self.staged = f'entities."{table}"', f'entities."{table}_journal"', f"staged_{table}"
        staged = f'pg_temp."{self.staged}"'
        listed, key_list = ", ".join(every), ", ".join(keys)
        same = " and ".join(f"e.{key} = s.{key}" for key in keys)
        body = ",\n    ".join(column.ddl for column in columns)
        loose = ",\n    ".join(
            column.ddl if at < key_count else f'"{column.name}" {column.sql_type}' for at, column in enumerate(columns)
        )
        self.ddl = (
            f"create table if not exists {name} (\n    chain_id bigint not null,\n    {body},\n"
            f"    primary key (chain_id, {key_list})\n) with (fillfactor = 50);\n"
            f"create table if not exists {journal} (\n"
            f"    chain_id bigint not null,\n    block_number bigint not null,\n"
            f"    existed boolean not null,\n    {loose},\n"
            f"    primary key (chain_id, {key_list}, block_number)\n);\n"
            f'create index if not exists "{table}_journal_block" on {journal} (chain_id, block_number)'
        )
        if key_count == 1:
            wanted = f"and {keys[0]} = any ($2::{columns[0].sql_type}[])"
        else:
            arrays = ", ".join(f"${at}::{column.sql_type}[]" for at, column in enumerate(columns[:key_count], 2))
            wanted = f"and ({key_list}) in (select * from unnest({arrays}))"  # noqa: S608
        self.select = f"select {listed} from {name} where chain_id = $1 {wanted}"  # noqa: S608
        self.stage = (
            f'create temporary table if not exists "{self.staged}" ({loose}, is_gone boolean not null)\n'
            f"on commit delete rows;\ndelete from {staged}"
        )
        self.delete = f"delete from {name} e using {staged} s where e.chain_id = $1 and {same} and s.is_gone"  # noqa: S608
        sets = ", ".join(f"{column} = s.{column}" for column in rest)
        update = f"update set {sets}" if rest else "do nothing"
        self.merge = (
            f"merge into {name} e using (select * from {staged} where not is_gone) s\n"  # noqa: S608
            f"on e.chain_id = $1 and {same}\nwhen matched then {update}\n"
            f"when not matched then insert (chain_id, {listed})\n"
            f"values ($1, {', '.join(f's.{column}' for column in every)})"
        )
        earliest = (
            f"with s as (select distinct on ({key_list}) * from {journal}\n"  # noqa: S608
            f"where chain_id = $1 and block_number >= $2 order by {key_list}, block_number),\n"
            f"removed as (delete from {name} e using s where e.chain_id = $1 and {same} and not s.existed)\n"
        )
        back = ", ".join(f"{column} = excluded.{column}" for column in rest)
        known = f"do update set {back}" if rest else "do nothing"
        self.restore = (
            f"{earliest}insert into {name} (chain_id, {listed})\n"
            f"select chain_id, {listed} from s where existed\n"
            f"on conflict (chain_id, {key_list}) {known}"
        )
        self.unjournal = f"delete from {journal} where chain_id = $1 and block_number >= $2"  # noqa: S608
        self.prune = f"delete from {journal} where chain_id = $1 and block_number <= $2"  # noqa: S608


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: (getattr(record, names[0]),)


def _column(record: type, field: "dataclasses.Field[Any]") -> Column:
    hint = get_type_hints(record, include_extras=True)[field.name]
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        inner = [part for part in get_args(hint) if part is not type(None)]
        optional = len(inner) < len(get_args(hint))
        hint = inner[0] if len(inner) == 1 else hint
    is_big = get_origin(hint) is Annotated and "bigint" in get_args(hint)[1:]
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if plain not in SQL_TYPES or not field.name.isidentifier() or field.name != field.name.lower():
        raise EntityError(f"{record.__name__}.{field.name}: {hint} must be bytes, int, BigInt, str or bool")
    return Column(field.name, plain, is_big, optional)


def _encoded(column: Column, values: Sequence[Any]) -> Field:
    if column.type is bytes:
        return variable(values)
    if column.type is str:
        return variable([value.encode() for value in values])
    if column.type is bool:
        return fixed(np.array([bool(value) for value in values], dtype=np.uint8).reshape(-1, 1))
    if column.is_big:
        return bigint(np.array(values, dtype=np.int64))
    return _numbers(values)


def _numbers(values: Sequence[int]) -> Field:
    try:
        return numeric_of(np.array(values, dtype=np.int64))
    except OverflowError:
        if max(map(abs, values)) >= LARGEST:
            raise ValueError("a number of more than 78 digits") from None
    signed = min(values) < 0
    words = b"".join([value.to_bytes(WORD, "big", signed=signed) for value in values])
    return numeric(np.frombuffer(words, dtype=np.uint8).reshape(-1, WORD), signed=signed)


def _one(column: Column, value: Any) -> bytes:
    encoded = _encoded(column, [value])
    return encoded[0] if isinstance(encoded, list) else encoded.tobytes()
