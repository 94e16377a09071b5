import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api.cli.audit_report import Checked, CheckedSlot, moment, report
from indexer.errors import ConfigError
from node.audit.compare import Finding

SLOT = datetime(2025, 6, 17, 10, tzinfo=UTC)
FINDING = Finding("trade", "7 energy_wh", "100", "90", "auction", "trades")


def test_report__no_difference__says_so() -> None:
    assert report(Checked([CheckedSlot(1, SLOT, [])], []), as_json=False) == "1 slots recomputed, 0 differences"


def test_report__a_difference__names_slot_subject_and_both_sides() -> None:
    line = report(Checked([CheckedSlot(1, SLOT, [FINDING])], []), as_json=False).splitlines()[0]
    assert line == "zone 1 2025-06-17T10:00:00Z trade 7 energy_wh: auction gives 100, trades says 90"


def test_report__as_json__counts() -> None:
    found = json.loads(report(Checked([CheckedSlot(1, SLOT, [FINDING])], []), as_json=True))
    assert (found["slots"], found["differences"]) == (1, 1)
    assert found["checked"][0]["findings"][0]["subject"] == "7 energy_wh"


@pytest.mark.parametrize("text", ["yesterday", "2025-06-17T10:00:00"])
def test_moment__not_a_moment__is_a_fault(text: str) -> None:
    with pytest.raises(ConfigError):
        moment("--from", text, 0)


def test_moment__rfc3339__is_unix_seconds() -> None:
    assert moment("--from", "2025-06-17T10:00:00Z", 0) == int(SLOT.timestamp())
    assert moment("--from", None, 5) == 5


def test_report__many_differences__shows_the_first_and_counts_the_rest_unless_all_are_wanted() -> None:
    slot = CheckedSlot(
        1, SLOT, [replace(FINDING, subject=str(number), actual="0x" + "ab" * 100) for number in range(9)]
    )
    lines = report(Checked([slot], []), as_json=False).splitlines()
    assert len(lines) == 7
    assert "and 4 more" in lines[5]
    assert lines[6] == "1 slots recomputed, 9 differences"
    assert max(map(len, lines)) < 200
    assert "0x" + "ab" * 100 in report(Checked([slot], []), as_json=False, every=True).splitlines()[8]
