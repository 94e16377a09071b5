import base64
from dataclasses import replace

import pytest

from api.rest.paging import CursorInvalid, CursorStale, Seal, Window

SEAL = Seal(b"secret", "f00d", 3)


@pytest.mark.parametrize("key", [0, 42, -1_800, (1 << 63) - 1, -(1 << 63)])
def test_cursor__own_filters__gives_the_key_back(key: int) -> None:
    assert SEAL.decode(SEAL.encode(key)) == key


@pytest.mark.parametrize(
    "cursor",
    [
        replace(SEAL, filters="other").encode(42),
        replace(SEAL, secret=b"another").encode(42),
        "",
        "%%%",
        "Zm9v",
        "é",
        base64.urlsafe_b64encode(bytes(32)).decode(),
        SEAL.encode(42) + "AAAA",
        " " + SEAL.encode(42),
    ],
)
def test_cursor__foreign_or_malformed__is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        SEAL.decode(cursor)


def test_cursor__any_bit_changed__is_refused() -> None:
    raw = base64.urlsafe_b64decode(SEAL.encode(42))
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CursorInvalid):
            SEAL.decode(base64.urlsafe_b64encode(changed).decode())


def test_cursor__after_a_reorganisation__is_stale() -> None:
    with pytest.raises(CursorStale):
        replace(SEAL, epoch=4).decode(SEAL.encode(42))


def test_window__more_rows_than_wanted__are_cut_and_continued() -> None:
    rows = [{"id": number} for number in (9, 8, 7)]
    kept, cursor = Window(2, None, SEAL).cut(rows, "id")
    assert [row["id"] for row in kept] == [9, 8]
    assert cursor is not None
    assert SEAL.decode(cursor) == 8


def test_window__last_page__has_no_cursor() -> None:
    rows = [{"id": 1}, {"id": 0}]
    assert Window(2, None, SEAL).cut(rows, "id") == (rows, None)


def test_window__of_a_page_that_is_not_continued__has_no_cursor() -> None:
    assert Window(1, None).cut([{"id": 1}, {"id": 0}], "id") == ([{"id": 1}], None)
