"""Cursors of the graph's lists: the key of the last row, signed and bound to the list, its filter and order."""

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from graphql import GraphQLError

from api.graphql import scalars
from api.graphql.relations import Kind, Relation

TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Seal:
    """What the cursors of one list are signed with and bound to."""

    secret: bytes
    relation: Relation
    where: Any
    """The filter, as it was parsed."""
    order: str

    def close(self, row: Any) -> str:
        """A cursor after a row."""
        body = json.dumps([_text(row[column.name]) for column in self.relation.key]).encode()
        return base64.urlsafe_b64encode(self._tag(body) + body).decode().rstrip("=")

    def open(self, cursor: str) -> list[Any]:
        """The key in a cursor. Raises GraphQLError with the code cursor-invalid."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            body = raw[TAG_BYTES:]
            if not hmac.compare_digest(raw[:TAG_BYTES], self._tag(body)):
                raise ValueError("not signed by us")
            return [_value(column.kind, text) for column, text in zip(self.relation.key, json.loads(body), strict=True)]
        except (ValueError, TypeError) as error:
            raise GraphQLError("the cursor is not of this list", extensions={"code": "cursor-invalid"}) from error

    def _tag(self, body: bytes) -> bytes:
        bound = json.dumps([self.relation.table, self.where, self.order], default=_text, sort_keys=True).encode()
        return hmac.digest(self.secret, b"graph " + len(bound).to_bytes(4) + bound + body, "sha256")[:TAG_BYTES]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Decimal):
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _value(kind: Kind, text: str) -> Any:
    match kind:
        case Kind.BYTES | Kind.ADDRESS:
            return bytes.fromhex(text[2:])
        case Kind.TIME:
            return datetime.fromisoformat(text)
        case Kind.INTEGER | Kind.BIG:
            return scalars.big(text)
        case _:
            return text
