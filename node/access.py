"""What acts for a user beside his browser: sessions he can see and end, keys he gives to programs; and roles.

A key never authorises a trade alone: orders carry their trader's signature whoever posts them. Times are real time.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from indexer.db import Connection, queries
from node.errors import Conflict, NotFound, Refused

SQL = queries(__name__)

KEY_PREFIX: Final = "gt_"
KEY_BYTES: Final = 24
LONGEST: Final = timedelta(days=366)
MOST_KEYS: Final = 20
SCOPES: Final = ("read", "write", "operate")
"""Reading; changing what is one's own; what the user's role allows beyond that."""
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "super_admin": frozenset({"super_admin", "owner", "admin", "manager", "viewer", "installer", "trader", "auditor"}),
    "admin": frozenset({"manager", "viewer", "installer", "trader", "auditor"}),
}
"""Who may give and take which roles."""


class KeyNotFound(NotFound):
    """There is no such key of yours."""

    code = "key-not-found"


class SessionNotFound(NotFound):
    """There is no such session of yours."""

    code = "session-not-found"


class TooManyKeys(Conflict):
    """One user has at most 20 keys that work; end one first."""

    code = "too-many-keys"


class LifeInvalid(Refused):
    """A key lives between a minute and a year."""

    code = "key-life-invalid"


class RoleRefused(Refused):
    """Your role does not give or take this role."""

    code = "role-refused"


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who a key acts for, and how far."""

    user_id: UUID
    account: bytes
    role: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its owner sees it: never the key itself."""

    id: UUID
    name: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that has neither ended nor expired."""

    id: UUID
    user_agent: str | None
    created_at: datetime
    expires_at: datetime
    is_this: bool


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def make_key(
    db: Connection, user_id: UUID, name: str, scopes: Sequence[str], now: datetime, expires_at: datetime
) -> tuple[Key, str]:
    """A new key and its text, which is told this once.

    Raises:
        LifeInvalid, TooManyKeys.
    """
    if not timedelta(minutes=1) <= expires_at - now <= LONGEST:
        raise LifeInvalid(f"expires_at={expires_at.isoformat()}, it is {now.isoformat()}")
    await db.execute(SQL["lock_user"], user_id)
    if await db.fetchval(SQL["count_keys"], user_id, now) >= MOST_KEYS:
        raise TooManyKeys
    text = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    row = await db.fetchrow(SQL["make_key"], user_id, name, _hash(text), sorted(set(scopes)), now, expires_at)
    assert row is not None
    return Key(**dict(row)), text


async def keys(db: Connection, user_id: UUID, now: datetime) -> list[Key]:
    """A user's keys that work, the newest first."""
    return [Key(**dict(row)) for row in await db.fetch(SQL["keys"], user_id, now)]


async def end_key(db: Connection, user_id: UUID, key_id: UUID, now: datetime) -> None:
    """Ends a key at once. Raises KeyNotFound."""
    if await db.fetchval(SQL["end_key"], user_id, key_id, now) is None:
        raise KeyNotFound(f"no key {key_id}")


async def holder(db: Connection, text: str, now: datetime) -> KeyHolder | None:
    """Who a key acts for; None where it is unknown, ended or expired."""
    row = await db.fetchrow(SQL["holder"], _hash(text), now)
    return None if row is None else KeyHolder(row["user_id"], row["wallet"], row["role"], frozenset(row["scopes"]))


async def sessions(db: Connection, user_id: UUID, token: str | None, now: datetime) -> list[OpenSession]:
    """A user's open sessions, the newest first; ``token`` is of the one that asks."""
    rows = await db.fetch(SQL["sessions"], user_id, now, None if token is None else _hash(token))
    return [OpenSession(**dict(row)) for row in rows]


async def end_session(db: Connection, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """Ends one session at once. Raises SessionNotFound."""
    if await db.fetchval(SQL["end_session"], user_id, session_id, now) is None:
        raise SessionNotFound(f"no session {session_id}")


async def set_role(db: Connection, by_role: str, user_id: UUID, role: str) -> str:
    """Gives a user another role, effective with his next request; returns the former one.

    Raises:
        NotFound: there is no such user.
        RoleRefused: the caller's role gives no such role, or the user has one that he may not take.
    """
    former = await db.fetchval(SQL["lock_role"], user_id)
    if former is None:
        raise NotFound(f"no user {user_id}")
    allowed = ROLES.get(by_role, frozenset())
    if role not in allowed or former not in allowed:
        raise RoleRefused(f"a {by_role} does not make a {role} of a {former}")
    await db.execute(SQL["set_role"], user_id, role)
    return str(former)
