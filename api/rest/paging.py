"""Pages by key, never by offset: an opaque signed cursor names the last row seen, the filters and the history it
belongs to."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Query
from starlette.requests import Request

from api.deps import Site
from api.rest.fields import Answer
from api.rest.meta import Epoch, Meta
from node.errors import Conflict, Refused

T = TypeVar("T")
MAX_LIMIT: Final = 500
TAG_BYTES: Final = 16
EPOCH_BYTES: Final = 8
KEY_BYTES: Final = 8


class CursorInvalid(Refused):
    """The cursor is not one of ours, or belongs to other filters."""

    code = "cursor-invalid"


class CursorStale(Conflict):
    """Blocks were reorganised since this cursor was given: begin at the first page again."""

    code = "cursor-stale"


class Page(Answer, Generic[T]):
    """One page of a list."""

    meta: Meta | None
    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """What cursors of one list are signed with and bound to."""

    secret: bytes
    filters: str
    epoch: int
    """How often the chain's history has changed under the index."""

    def encode(self, key: int) -> str:
        """Opaque text for a row's key, which may be negative."""
        body = self.epoch.to_bytes(EPOCH_BYTES) + key.to_bytes(KEY_BYTES, signed=True)
        return base64.urlsafe_b64encode(self._tag(body) + body).decode()

    def decode(self, cursor: str) -> int:
        """The key in a cursor.

        Raises:
            CursorInvalid: altered, foreign, or of other filters.
            CursorStale: of before a reorganisation.
        """
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except ValueError as error:
            raise CursorInvalid from error
        tag, body = raw[:TAG_BYTES], raw[TAG_BYTES:]
        if len(body) != EPOCH_BYTES + KEY_BYTES or not hmac.compare_digest(tag, self._tag(body)):
            raise CursorInvalid
        if int.from_bytes(body[:EPOCH_BYTES]) != self.epoch:
            raise CursorStale
        return int.from_bytes(body[EPOCH_BYTES:], signed=True)

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, self.filters.encode() + body, "sha256")[:TAG_BYTES]


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted."""

    limit: int
    after: int | None
    """Key of the last row of the page before."""
    seal: Seal | None = None
    """None where nobody will ask for the next page."""

    @property
    def fetch(self) -> int:
        """One row more than the page holds tells whether there is a next page."""
        return self.limit + 1

    def cut(self, rows: Sequence[Mapping[str, Any]], key: str) -> tuple[list[Mapping[str, Any]], str | None]:
        """The page's rows and the cursor of the next page."""
        if len(rows) <= self.limit or self.seal is None:
            return list(rows[: self.limit]), None
        kept = list(rows[: self.limit])
        return kept, self.seal.encode(int(kept[-1][key]))


def _filters(request: Request) -> str:
    loose = ("cursor", "limit", "min_block")
    pairs = sorted(item for item in request.query_params.multi_items() if item[0] not in loose)
    return hashlib.sha256(json.dumps([request.url.path, pairs]).encode()).hexdigest()


async def window(
    request: Request,
    site: Site,
    epoch: Epoch,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before")] = None,
) -> Window:
    """Reads ``limit`` and ``cursor``."""
    seal = Seal(site.cursor_secret, _filters(request), epoch)
    return Window(limit, None if cursor is None else seal.decode(cursor), seal)


Wanted = Annotated[Window, Depends(window, scope="function")]
