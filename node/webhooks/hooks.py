"""Receivers that users have named for the chain's events."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from indexer.db import Connection, queries
from node.errors import Conflict, NotFound
from node.sealing import Box
from node.webhooks.guard import checked

SQL = queries(__name__)

MOST: Final = 20
SECRET_BYTES: Final = 32
LISTED: Final = 100


class WebhookNotFound(NotFound):
    """There is no such webhook of yours."""

    code = "webhook-not-found"


class TooManyWebhooks(Conflict):
    """One user has at most 20 webhooks; delete one first."""

    code = "too-many-webhooks"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver. ``events`` is None where it gets all."""

    id: UUID
    user_id: UUID
    url: str
    events: Sequence[str] | None
    state: str
    failures: int
    next_try_at: datetime
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try. ``status`` is what the receiver answered; None where it did not."""

    delivery_id: int
    message_id: str
    status: int | None
    fault: str | None
    duration_ms: int
    tried_at: datetime


def place(webhook_id: UUID) -> str:
    """What a secret is sealed to."""
    return f"identity.webhooks/{webhook_id}/secret"


async def add(
    db: Connection,
    box: Box,
    user_id: UUID,
    chain_id: int,
    url: str,
    events: Sequence[str] | None,
    allowed: frozenset[str],
) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is told this once.

    Raises:
        WebhookRefused, TooManyWebhooks.
    """
    address = str(checked(url, allowed))
    await db.execute(SQL["lock_user"], user_id)
    if await db.fetchval(SQL["count"], user_id) >= MOST:
        raise TooManyWebhooks
    webhook_id, secret = uuid4(), secrets.token_hex(SECRET_BYTES)
    kept = None if events is None else sorted(set(events))
    sealed = box.seal(secret, place(webhook_id))
    row = await db.fetchrow(SQL["add"], webhook_id, user_id, address, kept, sealed, chain_id)
    assert row is not None
    return Webhook(**dict(row)), secret


async def hooks(db: Connection, user_id: UUID) -> Sequence[Webhook]:
    """A user's webhooks."""
    return [Webhook(**dict(row)) for row in await db.fetch(SQL["hooks"], user_id)]


async def hook(db: Connection, user_id: UUID, webhook_id: UUID) -> Webhook:
    """One of a user's webhooks. Raises WebhookNotFound."""
    row = await db.fetchrow(SQL["hook"], webhook_id)
    if row is None or row["user_id"] != user_id:
        raise WebhookNotFound(f"no webhook {webhook_id}")
    return Webhook(**dict(row))


async def remove(db: Connection, user_id: UUID, webhook_id: UUID) -> None:
    """Nothing is sent to it any more. Raises WebhookNotFound."""
    await hook(db, user_id, webhook_id)
    await db.execute(SQL["remove"], webhook_id)


async def resume(db: Connection, user_id: UUID, webhook_id: UUID) -> Webhook:
    """Tries a receiver again that was given up or waits. Raises WebhookNotFound."""
    await hook(db, user_id, webhook_id)
    row = await db.fetchrow(SQL["resume"], webhook_id)
    if row is None:
        raise WebhookNotFound(f"no webhook {webhook_id}")
    return Webhook(**dict(row))


async def deliveries(db: Connection, user_id: UUID, webhook_id: UUID) -> Sequence[Delivery]:
    """The newest tries. Raises WebhookNotFound."""
    await hook(db, user_id, webhook_id)
    return [Delivery(**dict(row)) for row in await db.fetch(SQL["deliveries"], webhook_id, LISTED)]
