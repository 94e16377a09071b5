from typing import Any

import pytest

from api.web.progress import progress_of

NOWHERE: dict[str, Any] = {"settlement": None, "has_failed": False, "block_number": None, "is_final": False}
MINED = {**NOWHERE, "settlement": "settled", "block_number": 7, "transaction_hash": b"\x05" * 32, "delivered_wh": 400}


@pytest.mark.parametrize(
    ("status", "matched_wh", "row", "done", "is_over"),
    [
        ("open", 0, NOWHERE, 1, False),
        ("cancelled", 0, NOWHERE, 1, True),
        ("unmatched", 0, NOWHERE, 1, True),
        ("open", 300, NOWHERE, 2, False),
        ("matched", 500, {**NOWHERE, "settlement": "submitted"}, 2, False),
        ("matched", 500, {**NOWHERE, "settlement": "failed"}, 2, True),
        ("matched", 500, {**NOWHERE, "settlement": "settled", "has_failed": True}, 2, True),
        ("matched", 500, MINED, 3, False),
        ("matched", 500, {**MINED, "is_final": True}, 4, True),
    ],
)
def test_progress__of_an_order__counts_what_is_behind_it(
    status: str, matched_wh: int, row: dict[str, Any], done: int, is_over: bool
) -> None:
    found = progress_of(status, matched_wh, None, row)
    assert (found.done, found.is_over) == (done, is_over)


def test_progress__on_chain__names_block_and_transaction() -> None:
    found = progress_of("matched", 500, None, MINED)
    assert (found.block_number, found.transaction_hash, found.delivered_wh) == (7, b"\x05" * 32, 400)


def test_progress__failed__says_so() -> None:
    assert progress_of("matched", 500, None, {**NOWHERE, "has_failed": True}).has_failed
