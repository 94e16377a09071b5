"""Says where two accounts of the same thing differ, field by field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: what follows from one origin, and what another one says."""

    kind: str
    """What is wrong: reading, meter, slot_energy, book, order, sequence, auction, trade, void, account, charge,
    settlement, batch, register, settled_order, settled_imbalance, balance or log;
    of assets distribution, deposit, revenue, claim or holding."""
    subject: str
    """Which one of its kind, and which of its fields."""
    expected: str
    actual: str
    origin_expected: str
    origin_actual: str


Fields: TypeAlias = Mapping[str, object]
Table: TypeAlias = Mapping[str, Fields]
"""Rows by what names them."""

NOTHING = "nothing"


def compare(kind: str, expected: Table, actual: Table, origin_expected: str, origin_actual: str) -> list[Finding]:
    """Every row that only one side has, and every field of a common row that differs; sorted by subject.

    Only fields that are expected are looked at.
    """
    findings = []
    for subject in sorted(expected.keys() | actual.keys()):
        for field, left, right in _differences(expected.get(subject), actual.get(subject)):
            name = f"{subject} {field}".strip()
            findings.append(Finding(kind, name, show(left), show(right), origin_expected, origin_actual))
    return findings


def _differences(expected: Fields | None, actual: Fields | None) -> Iterable[tuple[str, object, object]]:
    if expected is None:
        yield "", NOTHING, actual
    elif actual is None:
        yield "", expected, NOTHING
    else:
        for field, value in expected.items():
            if value != actual.get(field):
                yield field, value, actual.get(field)


def show(value: object) -> str:
    """A value as a person reads it: bytes in hex, fields by name."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return " ".join(f"{field}={show(item)}" for field, item in value.items())
    return str(value)
