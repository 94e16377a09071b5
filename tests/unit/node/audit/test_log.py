from dataclasses import replace

from node.audit.chained import Anchor, Follower, LogCheck
from node.audit.compare import Finding
from node.audit.log import Entry, entry_hash, entry_link


def entry(sequence: int, before: Entry | None = None) -> Entry:
    last = bytes(32) if before is None else before.hash
    made = Entry(sequence, "trading.settlements", "7", "UPDATE", "node", 1_000, '{"a": 1}', '{"a": 2}', last, b"")
    return replace(made, hash=entry_hash(made, last))


def follow(*entries: Entry, anchors: tuple[Anchor, ...] = ()) -> LogCheck:
    follower = Follower("audit.audit_logs", anchors)
    for one in entries:
        follower.take(entry_link(one))
    return follower.end()


def entry_findings(one: Entry, before: Entry | None) -> list[Finding]:
    """Of an entry after a whole one."""
    of_before = [] if before is None else follow(before).findings
    return follow(*([] if before is None else [before]), one).findings[len(of_before) :]


FIRST = entry(1)
SECOND = entry(2, FIRST)


def test_entry_findings__whole_chain__has_none() -> None:
    assert entry_findings(FIRST, None) == []
    assert entry_findings(SECOND, FIRST) == []


def test_entry_findings__any_field_changed__names_the_row() -> None:
    for changed in (
        replace(SECOND, table_name="x"),
        replace(SECOND, record_id="8"),
        replace(SECOND, operation="DELETE"),
        replace(SECOND, changed_by="x"),
        replace(SECOND, changed_us=1_001),
        replace(SECOND, old_values=""),
        replace(SECOND, new_values='{"a": 3}'),
    ):
        (finding,) = entry_findings(changed, FIRST)
        assert (finding.kind, finding.subject.startswith("row 2 ("), finding.subject.endswith(" hash")) == (
            "log",
            True,
            True,
        )


def test_entry_findings__hash_made_to_fit__names_the_row_after_it() -> None:
    forged = replace(FIRST, new_values="{}")
    forged = replace(forged, hash=entry_hash(forged, bytes(32)))
    assert entry_findings(forged, None) == []
    assert [finding.subject.rsplit(" ")[-1] for finding in entry_findings(SECOND, forged)] == ["previous_hash", "hash"]


def test_entry_findings__rows_missing__names_them() -> None:
    (one,) = entry_findings(entry(3, SECOND), FIRST)
    assert (one.subject, one.actual) == ("row 2", "nothing")
    (several,) = entry_findings(replace(SECOND, sequence=9), FIRST)
    assert several.subject == "rows 2 to 8"


def test_end__anchors_fit__says_up_to_where() -> None:
    third = entry(3, SECOND)
    anchors = (Anchor(1, FIRST.hash, 10), Anchor(2, SECOND.hash, 20))
    assert follow(FIRST, SECOND, third, anchors=anchors) == LogCheck("audit.audit_logs", 3, 2, 20, [])
    assert follow(FIRST, SECOND, third).anchored == 0


def test_end__whole_log_made_anew__is_found_by_its_anchor() -> None:
    forged = replace(FIRST, new_values="{}")
    forged = replace(forged, hash=entry_hash(forged, bytes(32)))
    again = entry(2, forged)
    check = follow(forged, again, anchors=(Anchor(1, FIRST.hash, 10), Anchor(2, SECOND.hash, 20)))
    assert [finding.subject for finding in check.findings] == ["row 1 anchored hash", "row 2 anchored hash"]
    assert (check.entries, check.anchored) == (2, 0)


def test_end__cut_off_before_an_anchor__names_the_rows() -> None:
    anchor = Anchor(3, entry(3, SECOND).hash, 20)
    for kept, rows in (((FIRST, SECOND), "row 3"), ((FIRST,), "rows 2 to 3"), ((), "rows 1 to 3")):
        (finding,) = follow(*kept, anchors=(anchor,)).findings
        assert (finding.subject, finding.expected, finding.actual) == (rows, "0x" + anchor.hash.hex(), "nothing")


def test_follower__entry_anchored_twice__the_first_counts() -> None:
    check = follow(FIRST, anchors=(Anchor(1, FIRST.hash, 10), Anchor(1, FIRST.hash, 11), Anchor(1, SECOND.hash, 12)))
    assert [finding.subject for finding in check.findings] == ["row 1 anchored again"]
    assert (check.anchored, check.block_number) == (1, 10)


def test_take__two_rows_in_each_others_place__both_are_named() -> None:
    third = entry(3, SECOND)
    swapped = replace(third, sequence=2), replace(SECOND, sequence=3)
    named = {finding.subject.split(" ")[1] for finding in follow(FIRST, *swapped).findings}
    assert named == {"2", "3"}
