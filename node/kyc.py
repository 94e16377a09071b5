"""Clearance of people: applications with personal data, decided by administrators, of which the chain learns only
until when an account is cleared, and for what.

Telephone and document numbers are sealed (``sealing``); beside them stand the last characters, to recognise them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from iso3166 import countries

from contracts.typed_data import checksum
from indexer.db import Connection, queries
from node.errors import Conflict, NotFound, Refused
from node.participants import FROZEN_FLAG, ChainContext, register
from node.sealing import Box

SQL = queries(__name__)

SHOWN: Final = 4
INVESTOR: Final[tuple[str, ...]] = ()
"""Cleared to hold fractions, and neither produces nor consumes."""


class UnknownCountry(Refused):
    """This is not an ISO 3166-1 alpha-2 code of a country."""

    code = "unknown-country"


class ApplicationNotFound(NotFound):
    """This user has not applied."""

    code = "application-not-found"


class ApplicationDecided(Conflict):
    """The application has been decided; apply again to change it."""

    code = "application-decided"


class ApplicationChanged(Conflict):
    """The application is no longer the one that was looked at; look at it again."""

    code = "application-changed"


class AccountFrozen(Conflict):
    """The account is frozen on chain; whoever froze it lifts that first."""

    code = "account-frozen"


class EmailTaken(Conflict):
    """Another user has this address."""

    code = "email-taken"


@dataclass(frozen=True, slots=True)
class Application:
    """What a person says of himself."""

    email: str
    full_name: str
    country_code: str
    phone: str
    document_type: str
    document_number: str
    roles: tuple[str, ...]
    """producer, consumer; none: to hold fractions."""


@dataclass(frozen=True, slots=True)
class Profile:
    """An application and what became of it. Numbers are cut to their last characters."""

    user_id: UUID
    wallet: bytes
    email: str | None
    kyc_status: str
    full_name: str
    country_code: str
    phone: str
    document_type: str
    document_number: str
    roles: Sequence[str]
    applied_at: datetime
    verification_date: datetime | None
    cleared_until: datetime | None
    decision_reason: str | None
    outbox_id: int | None


async def apply(db: Connection, box: Box, user_id: UUID, application: Application) -> None:
    """Enters or renews an application, which is then to be decided.

    Raises:
        UnknownCountry, EmailTaken.
    """
    _country(application.country_code)
    try:
        async with db.transaction():
            await db.execute(SQL["applies"], user_id, application.email)
    except asyncpg.UniqueViolationError as error:
        raise EmailTaken(f"{application.email!r} belongs to another user") from error
    await db.execute(
        SQL["apply"],
        user_id,
        application.full_name,
        application.country_code,
        _tail(application.phone),
        application.document_type,
        _tail(application.document_number),
        box.seal(application.phone, _place(user_id, "phone")),
        box.seal(application.document_number, _place(user_id, "document_number")),
        list(application.roles),
    )


async def approve(
    db: Connection,
    chain: ChainContext,
    user_id: UUID,
    by: bytes,
    cleared_until: datetime,
    request_id: str,
    applied_at: datetime,
) -> int:
    """Clears the applicant's account on chain, beside the roles that it has; returns the outbox number.

    ``applied_at`` is that of the application that was looked at.

    Raises:
        ApplicationNotFound, ApplicationDecided, ApplicationChanged, AccountFrozen.
    """
    row = await _pending(db, user_id, applied_at)
    flags = await db.fetchval(SQL["flags"], chain.chain_id, row["wallet"]) or 0
    if flags & FROZEN_FLAG:
        raise AccountFrozen(f"account {checksum(row['wallet'])} is frozen")
    outbox_id = await register(
        db,
        chain,
        account=row["wallet"],
        roles=row["roles"],
        kyc_until=cleared_until,
        country=_country(row["country_code"]),
        request_id=request_id,
        kept_flags=flags,
    )
    await db.execute(SQL["decide"], user_id, "approved", by, None, cleared_until, outbox_id)
    return outbox_id


async def reject(db: Connection, user_id: UUID, by: bytes, reason: str, applied_at: datetime) -> None:
    """Turns an application down, and says why. ``applied_at`` is that of the application that was looked at.

    Raises:
        ApplicationNotFound, ApplicationDecided, ApplicationChanged.
    """
    await _pending(db, user_id, applied_at)
    await db.execute(SQL["decide"], user_id, "rejected", by, reason, None, None)


async def expire(db: Connection, now: datetime) -> list[bytes]:
    """Ends clearances whose time is over, as the chain does by itself; whose they were. ``now`` is the chain's time."""
    return [row["wallet"] for row in await db.fetch(SQL["expire"], now)]


async def profiles(db: Connection, *, status: str | None = None, limit: int = 100) -> list[Profile]:
    """Applications, those that wait longest first."""
    return [Profile(**dict(row)) for row in await db.fetch(SQL["profiles"], status, None, limit)]


async def profile(db: Connection, user_id: UUID) -> Profile:
    """One user's application. Raises ApplicationNotFound."""
    row = await db.fetchrow(SQL["profiles"], None, user_id, 1)
    if row is None:
        raise ApplicationNotFound(f"user {user_id} has not applied")
    return Profile(**dict(row))


async def everything(db: Connection, box: Box, user_id: UUID) -> dict[str, Any]:
    """All personal data that is kept of a user, whole, for himself (GDPR, article 15). Raises ApplicationNotFound."""
    row = await db.fetchrow(SQL["everything"], user_id)
    if row is None:
        raise ApplicationNotFound(f"user {user_id} has not applied")
    found = dict(row)
    for name in ("phone", "document_number"):
        found[name] = box.unseal(found.pop(f"{name}_sealed"), _place(user_id, name))
    return found


async def erase(db: Connection, user_id: UUID) -> None:
    """Forgets a user's personal data (GDPR, article 17). What the chain says of his account stays: it names nobody."""
    await db.execute(SQL["erase_profile"], user_id)
    await db.execute(SQL["erase_email"], user_id)


async def _pending(db: Connection, user_id: UUID, applied_at: datetime) -> asyncpg.Record:
    row = await db.fetchrow(SQL["lock"], user_id)
    if row is None:
        raise ApplicationNotFound(f"user {user_id} has not applied")
    if row["kyc_status"] != "pending":
        raise ApplicationDecided(f"the application of {user_id} is {row['kyc_status']}")
    if row["applied_at"] != applied_at:
        raise ApplicationChanged(f"user {user_id} applied at {row['applied_at']}, after {applied_at}")
    return row


def _country(code: str) -> int:
    try:
        return int(countries.get(code).numeric)
    except KeyError as error:
        raise UnknownCountry(f"{code!r} is no country's code") from error


def _tail(number: str) -> str:
    return "…" + number[-SHOWN:] if len(number) > 2 * SHOWN else "…"


def _place(user_id: UUID, column: str) -> str:
    return f"identity.user_profiles/{user_id}/{column}"
