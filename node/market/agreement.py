"""The areas that the market runs with, agreed in PostgreSQL: no two processes run with different ones unnoticed."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from indexer.db import Connection, queries
from node.errors import Conflict
from node.market.area import Area
from node.market.area_book import head_bytes

_SQL = queries(__name__)


class AreasDiffer(Conflict):
    """This process was started with other zones, fees or capacities than the market runs with."""

    code = "areas-differ"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a process was started with, and what the market runs with."""

    own_hash: bytes
    agreed_hash: bytes | None
    """None before a node has led."""

    @property
    def holds(self) -> bool:
        """Whether the process may speak for the market."""
        return self.agreed_hash in (None, self.own_hash)


def areas_hash(areas: Sequence[Area]) -> bytes:
    """sha256 over the heads of the areas' books of slot 0, by name (see ``area_book``)."""
    ordered = sorted(areas, key=lambda area: area.name)
    return sha256(b"".join(head_bytes(area, 0) for area in ordered)).digest()


async def agreement(db: Connection, areas: Sequence[Area]) -> Agreement:
    """Where a process with these areas stands."""
    return Agreement(areas_hash(areas), await db.fetchval(_SQL["agreed"]))


async def require(db: Connection, areas: Sequence[Area]) -> None:
    """Raises AreasDiffer where the market runs with other areas than these."""
    found = await agreement(db, areas)
    if not found.holds:
        agreed = "" if found.agreed_hash is None else found.agreed_hash.hex()
        raise AreasDiffer(
            f"this process was started with areas 0x{found.own_hash.hex()}, the market runs with 0x{agreed}: start it "
            "with the same GRIDTRACE_AREAS, GRIDTRACE_ZONES and GRIDTRACE_GRID_FEE_PER_KWH, or change the market's "
            "with gridtrace auction areas --adopt"
        )


async def lead_with(db: Connection, areas: Sequence[Area]) -> None:
    """The areas of the market's first leader are the market's; every other needs the same. Raises AreasDiffer."""
    if (await agreement(db, areas)).agreed_hash is None:
        await db.execute(_SQL["agree"], areas_hash(areas))
    await require(db, areas)


async def adopt(db: Connection, areas: Sequence[Area]) -> None:
    """The market runs with these from now on: a leader with others stops leading."""
    await db.execute(_SQL["adopt"], areas_hash(areas))
