"""What ``gridtrace audit balances`` says."""

import json
from datetime import UTC, datetime

from api.cli import balance_report
from contracts.typed_data import checksum
from indexer.reconcile import Difference, Pin, Report

TOKEN, ALICE = b"\xd0" * 20, b"\xaa" * 20


def report(*differences: Difference, **changes: int) -> Report:
    made = Report("whole", Pin(90, b"\x90" * 32), "finalized", datetime.now(UTC), 5, len(differences), **changes)
    made.differences += differences
    return made


def test_told__equal__is_one_line() -> None:
    assert balance_report.told(report()) == "5 values compared at finalized block 90, 0 differences"


def test_told__differences__are_a_line_each() -> None:
    lines = balance_report.told(report(Difference(TOKEN, ALICE, "balance", 4, 5, 90))).splitlines()
    assert lines[0] == (
        f"{checksum(TOKEN)} {checksum(ALICE)} balance: the mirror has 4, the contract 5 at block 90 (difference -1)"
    )
    assert len(lines) == 2


def test_told__not_all_compared__says_so() -> None:
    assert "not everything could be compared" in balance_report.told(report(unanswered=1))


def test_as_document__differences__are_exact_numbers_in_text() -> None:
    found = Difference(TOKEN, None, "total_supply", 10**30, 10**30 + 1, 90)
    document = json.loads(balance_report.as_document(report(found)))
    assert (document["outcome"], document["differences"], document["block_hash"]) == ("different", 1, "0x" + "90" * 32)
    assert document["found"][0]["on_chain"] == str(10**30 + 1)
    assert document["found"][0]["account"] is None
