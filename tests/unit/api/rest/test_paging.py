import base64
import json

import pytest

from api.rest.paging import CursorInvalid, Window, decode_cursor, encode_cursor

FILTERS = "f00d"


def test_cursor__own_filters__gives_the_key_back() -> None:
    assert decode_cursor(FILTERS, encode_cursor(FILTERS, 42)) == 42


@pytest.mark.parametrize(
    "cursor",
    [
        encode_cursor("other", 42),
        "",
        "%%%",
        "Zm9v",
        base64.urlsafe_b64encode(json.dumps([FILTERS, "42"]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([FILTERS, -1]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([FILTERS, 1 << 63]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([FILTERS, True]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(42).encode()).decode(),
    ],
)
def test_cursor__foreign_or_malformed__is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        decode_cursor(FILTERS, cursor)


def test_window__more_rows_than_wanted__are_cut_and_continued() -> None:
    rows = [{"id": number} for number in (9, 8, 7)]
    kept, cursor = Window(2, None, FILTERS).cut(rows, "id")
    assert [row["id"] for row in kept] == [9, 8]
    assert cursor is not None
    assert decode_cursor(FILTERS, cursor) == 8


def test_window__last_page__has_no_cursor() -> None:
    rows = [{"id": 1}, {"id": 0}]
    assert Window(2, None, FILTERS).cut(rows, "id") == (rows, None)
