from node.audit.compare import Finding, compare


def test_compare__same_rows__finds_nothing() -> None:
    assert compare("trade", {"a": {"wh": 1}}, {"a": {"wh": 1, "more": 2}}, "left", "right") == []


def test_compare__field_differs__names_row_and_field() -> None:
    (finding,) = compare("trade", {"a": {"wh": 1, "key": b"\x01"}}, {"a": {"wh": 1, "key": b"\x02"}}, "left", "right")
    assert finding == Finding("trade", "a key", "0x01", "0x02", "left", "right")


def test_compare__row_on_one_side_only__is_nothing_on_the_other() -> None:
    findings = compare("trade", {"a": {"wh": 1}}, {"b": {"wh": 2}}, "left", "right")
    assert [(item.subject, item.expected, item.actual) for item in findings] == [
        ("a", "wh=1", "nothing"),
        ("b", "nothing", "wh=2"),
    ]
