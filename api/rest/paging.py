"""Pages by key, never by offset: an opaque cursor names the last row seen and the filters it belongs to."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Query
from starlette.requests import Request

from api.rest.fields import Answer
from api.rest.meta import Meta
from node.errors import Refused

T = TypeVar("T")
MAX_LIMIT: Final = 500


class CursorInvalid(Refused):
    """The cursor is not one of ours, or belongs to other filters."""

    code = "cursor-invalid"


class Page(Answer, Generic[T]):
    """One page of a list."""

    meta: Meta | None
    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted."""

    limit: int
    after: int | None
    """Key of the last row of the page before."""
    filters: str

    @property
    def fetch(self) -> int:
        """One row more than the page holds tells whether there is a next page."""
        return self.limit + 1

    def cut(self, rows: Sequence[Mapping[str, Any]], key: str) -> tuple[list[Mapping[str, Any]], str | None]:
        """The page's rows and the cursor of the next page."""
        if len(rows) <= self.limit:
            return list(rows), None
        kept = list(rows[: self.limit])
        return kept, encode_cursor(self.filters, int(kept[-1][key]))


def encode_cursor(filters: str, key: int) -> str:
    """Opaque text for a key under filters."""
    return base64.urlsafe_b64encode(json.dumps([filters, key]).encode()).decode().rstrip("=")


def decode_cursor(filters: str, cursor: str) -> int:
    """The key in a cursor. Raises CursorInvalid."""
    try:
        found, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError) as error:
        raise CursorInvalid from error
    if found != filters or type(key) is not int or not 0 <= key < 1 << 63:
        raise CursorInvalid
    return key


def _filters(request: Request) -> str:
    pairs = sorted(item for item in request.query_params.multi_items() if item[0] not in ("cursor", "limit"))
    return hashlib.sha256(json.dumps([request.url.path, pairs]).encode()).hexdigest()[:16]


async def window(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before")] = None,
) -> Window:
    """Reads ``limit`` and ``cursor``."""
    filters = _filters(request)
    return Window(limit, None if cursor is None else decode_cursor(filters, cursor), filters)


Wanted = Annotated[Window, Depends(window, scope="function")]
