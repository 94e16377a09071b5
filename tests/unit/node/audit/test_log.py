from dataclasses import replace

from node.audit.log import Entry, entry_findings, entry_hash


def entry(sequence: int, before: Entry | None = None) -> Entry:
    last = bytes(32) if before is None else before.hash
    made = Entry(sequence, "trading.settlements", "7", "UPDATE", "node", 1_000, '{"a": 1}', '{"a": 2}', last, b"")
    return replace(made, hash=entry_hash(made, last))


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
