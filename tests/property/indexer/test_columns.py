"""Any values of any static or dynamic type come back from logs, and numbers survive the trip into COPY rows."""

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.copy import encode_rows, numeric, variable
from indexer.decode import Values, decode
from indexer.event import Argument, Kind
from tests.unit.indexer.logs import event, log, lookup


def integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low = -(2 ** (bits - 1)) if signed else 0
    return st.integers(low, 2 ** (bits - signed) - 1)


TYPES: dict[str, st.SearchStrategy[Any]] = {
    **{f"uint{bits}": integers(bits, signed=False) for bits in (8, 16, 48, 56, 64, 128, 256)},
    **{f"int{bits}": integers(bits, signed=True) for bits in (8, 48, 64, 72, 256)},
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20).map(lambda value: "0x" + value.hex()),
    "bytes4": st.binary(min_size=4, max_size=4),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes": st.binary(max_size=100),
    "string": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
}
ARGUMENTS = st.lists(st.tuples(st.sampled_from(sorted(TYPES)), st.booleans()), min_size=1, max_size=5)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[tuple[str, bool]], list[dict[str, Any]]]:
    arguments, topics = [], 0
    for kind, wanted in draw(ARGUMENTS):
        indexed = wanted and topics < 3 and kind not in ("bytes", "string")
        topics += indexed
        arguments.append((kind, indexed))
    row = st.fixed_dictionaries({f"a{i}": TYPES[kind] for i, (kind, _) in enumerate(arguments)})
    return arguments, draw(st.lists(row, min_size=1, max_size=5))


def plain(argument: Argument, column: Values, at: int) -> Any:
    """A decoded value as eth_abi takes it."""
    value: Any = column[at]
    match argument.kind:
        case Kind.INTEGER:
            return int(value)
        case Kind.UNSIGNED:
            return int.from_bytes(value.tobytes(), "big")
        case Kind.SIGNED:
            return int.from_bytes(value.tobytes(), "big", signed=True)
        case Kind.BOOLEAN:
            return bool(value[0])
        case Kind.ADDRESS:
            return "0x" + value.tobytes().hex()
        case Kind.BYTES:
            return value
        case Kind.TEXT:
            return value.decode()
        case _:
            return value.tobytes()


@settings(max_examples=200, deadline=None)
@given(cases())
def test_decode__any_event__gives_back_the_values(
    case: tuple[list[tuple[str, bool]], list[dict[str, Any]]],
) -> None:
    arguments, rows = case
    sample = event("Sample", *((kind, f"a{i}", indexed) for i, (kind, indexed) in enumerate(arguments)))
    answers = [log(sample, values, index=at) for at, values in enumerate(rows)]
    decoded = decode(answers, lookup(sample))
    assert decoded.undecoded == ()
    (found,) = decoded.rows
    for at, values in enumerate(rows):
        for argument, column in zip(sample.arguments, found.values, strict=True):
            assert plain(argument, column, at) == values[argument.name]


def read_numeric(field: bytes) -> int:
    """PostgreSQL's numeric_recv."""
    length, count, weight, sign, scale = (
        int.from_bytes(field[a:b], "big") for a, b in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12))
    )
    digits = [int.from_bytes(field[at : at + 2], "big") for at in range(12, len(field), 2)]
    assert (length, len(digits), scale) == (len(field) - 4, count, 0)
    assert all(digit < 10_000 for digit in digits)
    value = sum(digit * Decimal(10_000) ** (weight - at) for at, digit in enumerate(digits))
    return -int(value) if sign else int(value)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(integers(256, signed=False), integers(64, signed=False)), min_size=1), st.booleans())
def test_numeric__any_numbers__have_their_digits(numbers: list[int], signed: bool) -> None:
    values = [number - 2**255 if signed else number for number in numbers]
    words = np.frombuffer(b"".join(v.to_bytes(32, "big", signed=signed) for v in values), dtype=np.uint8)
    fields = numeric(words.reshape(-1, 32), signed=signed)
    with localcontext() as context:
        context.prec = 100
        assert [read_numeric(field.tobytes()) for field in fields] == values


@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(min_size=2, max_size=2)), min_size=1, max_size=9))
def test_encode_rows__fixed_and_variable_fields__stand_row_by_row(rows: list[tuple[bytes, bytes]]) -> None:
    fixed = np.frombuffer(b"".join(pair[1] for pair in rows), dtype=np.uint8).reshape(-1, 2)
    encoded = encode_rows([variable([pair[0] for pair in rows]), fixed, fixed])
    expected = (b"\0\3" + len(a).to_bytes(4, "big") + a + b + b for a, b in rows)
    assert encoded == b"".join(expected)
