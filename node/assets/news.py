"""What happened to assets, and who is told: written with the change itself, so neither stands without the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from indexer.db import Connection, queries

SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Notification:
    """Something a user is told."""

    notification_id: int
    kind: str
    detail: Mapping[str, Any]
    created_at: datetime
    read_at: datetime | None


@dataclass(slots=True)
class Changed:
    """Assets that have changed, and the users who were told."""

    assets: set[UUID] = field(default_factory=set)
    users: set[UUID] = field(default_factory=set)

    def __or__(self, other: "Changed") -> "Changed":
        return Changed(self.assets | other.assets, self.users | other.users)


async def happened(db: Connection, asset_id: UUID, kind: str, **detail: Any) -> set[UUID]:
    """Writes down what happened to an asset; tells its owner, and everyone who holds fractions of it: these users."""
    return {row["user_id"] for row in await db.fetch(SQL["happened"], asset_id, kind, _plain(detail))}


async def told(db: Connection, account: bytes, kind: str, **detail: Any) -> set[UUID]:
    """Tells one account's user something; who that is."""
    return {row["user_id"] for row in await db.fetch(SQL["told"], account, kind, _plain(detail))}


async def notifications(db: Connection, user_id: UUID, *, before: int | None, limit: int) -> list[Notification]:
    """A page of what a user was told, newest first."""
    rows = await db.fetch(SQL["notifications"], user_id, before, limit)
    return [Notification(**dict(row)) for row in rows]


async def read(db: Connection, user_id: UUID, until: int) -> int:
    """Marks all up to a number as read; returns how many were not."""
    return len(await db.fetch(SQL["read"], user_id, until))


async def events(db: Connection, asset_id: UUID, limit: int) -> Sequence[Mapping[str, Any]]:
    """What happened to an asset, newest first."""
    return [dict(row) for row in await db.fetch(SQL["events"], asset_id, limit)]


def _plain(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers as text: JSON readers round large ones."""
    return {
        name: str(value) if isinstance(value, (int, UUID)) and not isinstance(value, bool) else value
        for name, value in detail.items()
    }
