"""Arrays and jsonb in PostgreSQL's binary format.

Source: PostgreSQL, src/backend/utils/adt/arrayfuncs.c (array_recv), jsonb.c (jsonb_recv)
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from indexer.abi_types import Kind, Scalar
from indexer.columns import Bytes2D, Integers
from indexer.copy import bigint, fixed, numeric

OIDS: Final = {
    Kind.BOOLEAN: 16,
    Kind.ADDRESS: 17,
    Kind.FIXED_BYTES: 17,
    Kind.BYTES: 17,
    Kind.INTEGER: 20,
    Kind.TEXT: 25,
    Kind.UNSIGNED: 1_700,
    Kind.SIGNED: 1_700,
}
JSONB_VERSION: Final = b"\x01"


def of_scalars(item: Scalar, values: Bytes2D | Integers, counts: Integers) -> list[bytes]:
    """One array per row, from the elements of all rows one after the other."""
    match item.kind:
        case Kind.INTEGER:
            fields = bigint(values)
        case Kind.UNSIGNED | Kind.SIGNED:
            words = np.ascontiguousarray(values, dtype=np.uint8)
            fields = numeric(words, signed=item.kind is Kind.SIGNED)
        case _:
            fields = fixed(np.asarray(values, dtype=np.uint8))
    elements, width = fields.tobytes(), fields.shape[1]
    found, start = [], 0
    for count in counts.tolist():
        end = start + count * width
        found.append(_head(item.kind, count) + elements[start:end])
        start = end
    return found


def of_blobs(values: Sequence[bytes], *, is_text: bool) -> bytes:
    """An array of bytes or text."""
    head = _head(Kind.TEXT if is_text else Kind.BYTES, len(values))
    return head + b"".join(len(value).to_bytes(4, "big") + value for value in values)


def json(value: Any) -> bytes:
    """A jsonb value."""
    return JSONB_VERSION + msgspec.json.encode(value)


def _head(kind: Kind, count: int) -> bytes:
    dimensions = (1, 0, OIDS[kind], count, 1) if count else (0, 0, OIDS[kind])
    return b"".join(number.to_bytes(4, "big") for number in dimensions)
