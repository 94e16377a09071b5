"""Projections: state folded from facts by SQL, in the transaction that writes the facts.

Each file in ``projections/`` is one of two kinds. *Unpacked* tables have a row per entry of a packed event and
know their block: ``fold`` and ``unfold``. *Keyed* tables have a row per account, meter…: ``fold`` adds a range of
blocks to the state, optionally for some keys only; ``touched`` names the keys of the facts from a block on;
``clear`` removes their rows. A reorg clears the touched keys and folds what is left of their facts, so that the
state is what indexing from scratch would give.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from indexer.db import Connection, queries

# In this order: later ones read what earlier ones unpacked.
ORDER: Final = (
    "settled_orders",
    "settled_imbalances",
    "attested_registers",
    "token_balances",
    "account_balances",
    "exchange_totals",
    "participants",
    "meters",
    "mandates",
    "registers",
)
# Events that no projection folds, and why their facts are enough.
FACTS_ONLY: Final[Mapping[str, str]] = {
    "Approval": "an allowance is used up without an event, so only the token can tell what is left",
    "EIP712DomainChanged": "never emitted after construction: the domain is fixed",
    "AuthorityUpdated": "administration: its history is what is asked for",
    "LedgerSet": "administration: set once",
    "MirrorsSet": "administration: its history is what is asked for",
    "SettlerSet": "administration: its history is what is asked for",
    "AttesterSet": "administration: its history is what is asked for",
    "Paused": "administration: its history is what is asked for",
    "Unpaused": "administration: its history is what is asked for",
    "Consumed": "the burn's Transfer moves the balance; the fact says that it was consumption",
    "OperationScheduled": "administration: its history is what is asked for",
    "OperationExecuted": "administration: its history is what is asked for",
    "OperationCanceled": "administration: its history is what is asked for",
    "RoleLabel": "administration: its history is what is asked for",
    "RoleGranted": "administration: its history is what is asked for",
    "RoleRevoked": "administration: its history is what is asked for",
    "RoleAdminChanged": "administration: its history is what is asked for",
    "RoleGuardianChanged": "administration: its history is what is asked for",
    "RoleGrantDelayChanged": "administration: its history is what is asked for",
    "TargetClosed": "administration: its history is what is asked for",
    "TargetFunctionRoleUpdated": "administration: its history is what is asked for",
    "TargetAdminDelayUpdated": "administration: its history is what is asked for",
}
_RELATION = re.compile(r"(?:from|join)\s+blockchain\.(\w+)")


@dataclass(frozen=True, slots=True)
class Projection:
    """One projection's statements."""

    name: str
    fold: str
    """Arguments: chain id, first block, last block; keyed ones also the keys (null: all)."""
    unfold: str | None
    touched: str | None
    clear: str | None

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
    db: Connection, projections: Iterable[Projection], chain_id: int, first: int, last: int, grown: set[str]
) -> None:
    """Adds the facts of a range of blocks to the state; ``grown`` names the fact tables with new rows."""
    changed = set(grown)
    if any(table.endswith("_transfer") for table in grown):
        changed.add("erc20_transfers")
    for projection in projections:
        if changed.isdisjoint(projection.sources):
            continue
        changed.add(projection.name)
        if projection.unfold:
            await db.execute(projection.fold, chain_id, first, last)
        else:
            await db.execute(projection.fold, chain_id, first, last, None)


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
