"""How far an order is on its way from the book to a block that nobody can take back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

STEPS: Final = ("accepted", "matched", "settled", "final")
OVER: Final = frozenset({"cancelled", "unmatched", "expired"})


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of the steps are behind the order; ``note`` says what it waits for, or why it goes no further."""

    done: int
    note: str
    is_over: bool = False
    """It goes no further."""
    has_failed: bool = False
    block_number: int | None = None
    transaction_hash: bytes | None = None
    delivered_wh: int | None = None


WAITS: Final = {
    None: "waits for delivery and meters",
    "computed": "computed from the meters",
    "attested": "production attested",
    "submitted": "on its way to the chain",
    "settled": "waits for the mirror",
}


def progress_of(status: str, matched_wh: int, close_reason: str | None, row: Mapping[str, Any]) -> Progress:
    """Of an order and its row of the chain."""
    if not matched_wh:
        if status in OVER:
            return Progress(1, close_reason or status, is_over=True)
        return Progress(1, "in the book")
    if row["block_number"] is not None:
        block: dict[str, Any] = {
            "block_number": row["block_number"],
            "transaction_hash": row["transaction_hash"],
            "delivered_wh": row["delivered_wh"],
        }
        if row["is_final"]:
            return Progress(4, "", is_over=True, **block)
        return Progress(3, "waits for finality", **block)
    if row["has_failed"] or row["settlement"] == "failed":
        return Progress(2, "settlement failed", is_over=True, has_failed=True)
    return Progress(2, WAITS[row["settlement"]])
