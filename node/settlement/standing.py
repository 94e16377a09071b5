"""Where the accounts of a slot stand at the exchange, as mirrored: what settles their orders, what can be charged."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from contracts.typed_data import Order
from indexer.db import Connection, queries
from node.settlement.netting import Means, Part
from node.settlement.outcome import Slot
from node.settlement.voids import Exchange, Lane, Standing

_SQL = queries(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """The block that something was read at."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The exchange as of one block of the mirror."""

    at: Place
    exchange: Exchange
    means: Mapping[bytes, Means]
    """What each account can be charged before the fills of the slot are settled."""


def concerned(slot: Slot, part: Part | None) -> set[bytes]:
    """The accounts that a batch of the slot may move, planned as ``part``.

    Where orders are in it, that may be anybody: others take the place of one that falls out.
    """
    if part is None or not part.fills:
        return {slot.grid_account, *(account for account, _ in (part.adjustments if part else ()))}
    traders = {account for trade in slot.trades for account in (trade.buyer, trade.seller)}
    return {slot.grid_account, *traders, *slot.metered}


async def read(
    db: Connection, chain_id: int, slot: Slot, accounts: Collection[bytes], orders: Iterable[Order]
) -> Snapshot | None:
    """The accounts' standing for a slot, or None when the mirror moved on in between: the next look is of one block."""
    rows = await db.fetch(_SQL["accounts"], chain_id, list(accounts), slot.delivery_start, slot.zones)
    keys = sorted({(order.trader, order.lane) for order in orders})
    lanes = await db.fetch(_SQL["lanes"], chain_id, [key[0] for key in keys], [key[1] for key in keys])
    if len({row["block_hash"] for row in (*rows, *lanes)}) != 1:
        return None
    by_account = {row["account"]: row for row in rows}
    live = {(row["account"], row["lane"]): Lane(row["nonce"], row["filled_wh"]) for row in lanes}
    exchange = Exchange(_Made(by_account, _standing), live)
    return Snapshot(Place(rows[0]["block_number"], rows[0]["block_hash"]), exchange, _Made(by_account, _means))


class _Made(Mapping[bytes, T]):
    """Of every account a value that is made when somebody asks for it: a batch asks for few of a large market."""

    def __init__(self, rows: Mapping[bytes, asyncpg.Record], make: Callable[[asyncpg.Record], T]) -> None:
        self._rows, self._make = rows, make

    def __getitem__(self, account: bytes) -> T:
        return self._make(self._rows[account])

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        cash=int(row["cash"]),
        energy_wh=int(row["energy_wh"]),
        min_nonce=row["min_nonce"],
        cleared_until=row["cleared_until"],
        last_slot=row["last_slot"],
        last_side=row["last_side"],
        filled_wh=row["filled_wh"],
    )


def _means(row: asyncpg.Record) -> Means:
    return Means(
        budget_per_slot=int(row["slot_left"]),
        budget_left=int(row["budget_left"]),
        cash=int(row["cash"]),
        locked=int(row["locked"]),
    )
