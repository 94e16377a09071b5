"""What the caller was told."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from api.deps import Reader, SignedIn, Writer
from api.rest.fields import Answer, Instant, Request
from api.rest.paging import Wanted
from node.assets import news

router = APIRouter(tags=["account"])


class Notification(Answer):
    notification_id: int
    kind: str
    detail: dict[str, Any]
    created_at: Instant
    read_at: Instant | None


class Notifications(Answer):
    items: list[Notification]
    next_cursor: str | None = None


class ReadUntil(Request):
    until: Annotated[int, Field(ge=0, lt=1 << 63)]


class MarkedRead(Answer):
    marked: int


@router.get("/v1/notifications")
async def notifications(caller: SignedIn, db: Reader, window: Wanted) -> Notifications:
    """The newest first."""
    found = await news.notifications(db, caller.user_id, before=window.after, limit=window.fetch)
    rows = [{"notification_id": item.notification_id, "item": item} for item in found]
    kept, cursor = window.cut(rows, "notification_id")
    items = [Notification.model_validate(row["item"], from_attributes=True) for row in kept]
    return Notifications(items=items, next_cursor=cursor)


@router.post("/v1/notifications/read")
async def mark_read(body: ReadUntil, caller: SignedIn, db: Writer) -> MarkedRead:
    """Marks all up to a number as read."""
    return MarkedRead(marked=await news.read(db, caller.user_id, body.until))
