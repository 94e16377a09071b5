"""Projections: state folded from facts by SQL, in the transaction that writes the facts.

Each file in ``projections/`` is one of two kinds. *Unpacked* tables have a row per entry of a packed event and
know their block: ``fold`` and ``unfold``. *Keyed* tables have a row per account, meter…: ``fold`` adds a range of
blocks to the state, optionally for some keys only; ``touched`` names the keys of the facts from a block on;
``clear`` removes their rows. A reorg clears the touched keys and folds what is left of their facts, so that the
state is what indexing from scratch would give.

On the way forward a projection may sum the batch in columns (``gather``) and only ``merge`` the sums: what the fold
says, for a fraction of the work.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

from indexer.copy import Field, copy
from indexer.db import Connection, queries
from indexer.decode import Rows

# In this order: later ones read what earlier ones unpacked.
ORDER: Final = (
    "settled_orders",
    "settled_imbalances",
    "attested_registers",
    "account_balances",
    "exchange_totals",
    "participants",
    "meters",
    "mandates",
    "asset_purchases",
    "asset_tokens",
    "registers",
    "staking_pools",
    "staking_positions",
    "escrow_deals",
    "certificates",
    "carbon_vintages",
    "proposal_votes",
    "proposals",
)
TRANSFER_COLUMNS: Final = ("token", "account", "amount", "block_number")
FEW_ROWS: Final = 500
"""So few are read back by the fold sooner than they are summed, sent and merged."""
_RELATION = re.compile(r"(?:from|join)\s+blockchain\.(\w+)")


Gather: TypeAlias = Callable[[Sequence[Rows]], Sequence[Field] | None]
"""The sums of a batch as columns of a temporary table; None where only the fold can tell."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """How a projection takes a batch in without reading it back."""

    gather: Gather
    table: str
    """Temporary; made by ``stage``."""
    columns: tuple[str, ...]
    stage: str
    merge: str
    """Arguments: chain id."""


@dataclass(frozen=True, slots=True)
class Projection:
    """One projection's statements."""

    name: str
    fold: str
    """Arguments: chain id, first block, last block; keyed ones also the keys (null: all)."""
    unfold: str | None
    touched: str | None
    clear: str | None
    gathering: "Gathering | None" = None

    @property
    def sources(self) -> frozenset[str]:
        """Tables and views that the fold reads."""
        return frozenset(_RELATION.findall(self.fold))


@cache
def shipped() -> tuple[Projection, ...]:
    """All projections, in the order in which they run."""
    return tuple(_load(name) for name in ORDER)


def _load(name: str) -> Projection:
    statements = queries(f"indexer.projections.{name}")
    return Projection(
        name,
        statements["fold"],
        statements.get("unfold"),
        statements.get("touched"),
        statements.get("clear"),
    )


def usable(tables: Iterable[str]) -> tuple[Projection, ...]:
    """The projections all of whose fact tables there are."""
    present = set(tables)
    return tuple(
        projection
        for projection in shipped()
        if all(source in present for source in projection.sources if source.startswith("fact_"))
    )


async def fold(
    db: Connection, projections: Iterable[Projection], chain_id: int, first: int, last: int, rows: Sequence[Rows]
) -> None:
    """Adds the facts of a range of blocks to the state; ``rows`` are all of them."""
    changed = {part.event.table for part in rows}
    for projection in projections:
        if changed.isdisjoint(projection.sources):
            continue
        changed.add(projection.name)
        if projection.gathering and await _merge(db, projection, projection.gathering, chain_id, rows):
            continue
        if projection.unfold:
            await db.execute(projection.fold, chain_id, first, last)
        else:
            await db.execute(projection.fold, chain_id, first, last, None)


async def _merge(
    db: Connection, projection: Projection, gathering: Gathering, chain_id: int, rows: Sequence[Rows]
) -> bool:
    """Whether the projection took the batch in by its sums."""
    read = [part for part in rows if part.event.table in projection.sources]
    if sum(map(len, read)) < FEW_ROWS:
        return False
    fields = gathering.gather(read)
    if fields is None:
        return False
    if fields and len(fields[0]):
        await db.execute(gathering.stage)
        await copy(db, gathering.table, gathering.columns, fields, schema="pg_temp")
        await db.execute(gathering.merge, chain_id)
    return True


async def touched(db: Connection, projections: Iterable[Projection], chain_id: int, first: int) -> dict[str, list[Any]]:
    """Keys of the facts from block ``first`` on, by projection. Ask before the facts are erased."""
    return {
        projection.name: await db.fetchval(projection.touched, chain_id, first) or []
        for projection in projections
        if projection.touched
    }


async def unfold(
    db: Connection,
    projections: Iterable[Projection],
    chain_id: int,
    first: int,
    keys: dict[str, list[Any]],
) -> None:
    """Takes block ``first`` and all after it out of the state. Their facts must have been erased."""
    # Plans for a handful of keys, not the general ones of the forward path.
    await db.execute("set local plan_cache_mode = force_custom_plan")
    for projection in projections:
        if projection.unfold:
            await db.execute(projection.unfold, chain_id, first)
        elif keys[projection.name] and projection.clear:
            await db.execute(projection.clear, chain_id, keys[projection.name])
            await db.execute(projection.fold, chain_id, 0, first - 1, keys[projection.name])
    await db.execute("set local plan_cache_mode = auto")
