"""Receivers of the chain's events: named, signed to, and looked after."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field

from api.deps import Reader, Sealing, SignedIn, Site, Writer
from api.rest.fields import Answer, Instant, Request
from node.webhooks import hooks

router = APIRouter(tags=["webhooks"])

EventName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,120}$", examples=["settlement_exchange_orders_settled"])]


class NewWebhook(Request):
    """``url`` is https and public. ``events`` are named as in the messages; all are sent where not given."""

    url: Annotated[str, Field(min_length=1, max_length=2_000, examples=["https://example.org/gridtrace"])]
    events: Annotated[list[EventName] | None, Field(min_length=1, max_length=100)] = None


class Webhook(Answer):
    """``state`` is suspended after three days of failures; ``next_try_at`` is of no meaning then."""

    id: UUID
    url: str
    events: list[str] | None
    state: str
    failures: int
    next_try_at: Instant
    failing_since: Instant | None
    created_at: Instant


class MadeWebhook(Answer):
    """``secret`` is told this once: the key of the HMAC-SHA256 in ``Gridtrace-Signature``."""

    webhook: Webhook
    secret: str


class Webhooks(Answer):
    items: list[Webhook]


class Delivery(Answer):
    delivery_id: int
    message_id: str
    status: int | None
    fault: str | None
    duration_ms: int
    tried_at: Instant


class Deliveries(Answer):
    items: list[Delivery]


def _told(hook: hooks.Webhook) -> Webhook:
    return Webhook.model_validate(hook, from_attributes=True)


@router.post("/v1/webhooks", status_code=201)
async def make_webhook(
    body: NewWebhook, caller: SignedIn, db: Writer, site: Site, box: Sealing, response: Response
) -> MadeWebhook:
    """Names a receiver of every block with events, from now on."""
    allowed = site.config.webhook_hosts
    made, secret = await hooks.add(db, box, caller.user_id, site.chain_id, body.url, body.events, allowed)
    response.headers["Cache-Control"] = "no-store"
    return MadeWebhook(webhook=_told(made), secret=secret)


@router.get("/v1/webhooks")
async def webhooks(caller: SignedIn, db: Reader) -> Webhooks:
    """One's webhooks."""
    return Webhooks(items=[_told(hook) for hook in await hooks.hooks(db, caller.user_id)])


@router.get("/v1/webhooks/{webhook_id}")
async def webhook(webhook_id: UUID, caller: SignedIn, db: Reader) -> Webhook:
    """One of one's webhooks."""
    return _told(await hooks.hook(db, caller.user_id, webhook_id))


@router.get("/v1/webhooks/{webhook_id}/deliveries")
async def deliveries(webhook_id: UUID, caller: SignedIn, db: Reader) -> Deliveries:
    """The newest tries, at most 100, and what came of them."""
    found = await hooks.deliveries(db, caller.user_id, webhook_id)
    return Deliveries(items=[Delivery.model_validate(item, from_attributes=True) for item in found])


@router.post("/v1/webhooks/{webhook_id}/resume")
async def resume_webhook(webhook_id: UUID, caller: SignedIn, db: Writer) -> Webhook:
    """Tries now again, also where it was suspended."""
    return _told(await hooks.resume(db, caller.user_id, webhook_id))


@router.delete("/v1/webhooks/{webhook_id}", status_code=204)
async def remove_webhook(webhook_id: UUID, caller: SignedIn, db: Writer) -> None:
    """Ends a webhook."""
    await hooks.remove(db, caller.user_id, webhook_id)
