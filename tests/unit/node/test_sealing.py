"""Sealed values open with their key at their place, and in no other way."""

from pathlib import Path

import pytest

from node.sealing import BadSealingKey, Box, SealBroken

KEY = bytes(range(32))
PLACE = "identity.user_profiles/1/phone"


def test_seal__opened_again__is_the_text() -> None:
    assert Box(KEY).unseal(Box(KEY).seal("+41 44 668 18 00", PLACE), PLACE) == "+41 44 668 18 00"


def test_seal__twice__looks_different() -> None:
    assert Box(KEY).seal("a", PLACE) != Box(KEY).seal("a", PLACE)


@pytest.mark.parametrize("place", range(40))
def test_unseal__any_byte_changed__is_refused(place: int) -> None:
    sealed = bytearray(Box(KEY).seal("+41 44 668 18", PLACE))
    sealed[place] ^= 1
    with pytest.raises(SealBroken):
        Box(KEY).unseal(bytes(sealed), PLACE)


def test_unseal__moved_cut_or_another_key__is_refused() -> None:
    sealed = Box(KEY).seal("a", PLACE)
    for box, data, where in (
        (Box(KEY), sealed, "identity.user_profiles/2/phone"),
        (Box(KEY[::-1]), sealed, PLACE),
        (Box(KEY), sealed[:20], PLACE),
        (Box(KEY), b"", PLACE),
    ):
        with pytest.raises(SealBroken):
            box.unseal(data, where)


def test_key_file__bytes_or_hex__is_read(tmp_path: Path) -> None:
    for number, content in enumerate((KEY, KEY.hex().encode(), b"0x" + KEY.hex().encode() + b"\n")):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert Box.open(path).unseal(Box(KEY).seal("a", PLACE), PLACE) == "a"


@pytest.mark.parametrize("content", [b"", b"short", b"zz" * 32, KEY + b"1"])
def test_key_file__anything_else__is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(BadSealingKey):
        Box.open(path)
