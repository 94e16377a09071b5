"""The queue on disk: order, room, and what a crash leaves behind."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.metering.buffer import Buffer, BufferDamaged, BufferFull, BufferInUse

RECORDS = [f"record {number}".encode() for number in range(50)]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Buffer]]:
    """Opens buffers in one folder, closing the one before."""
    buffers: list[Buffer] = []

    def again(most_bytes: int = 10_000, **options: int) -> Buffer:
        for before in buffers:
            before.close()
        buffers.append(Buffer(tmp_path, most_bytes, **options))
        return buffers[-1]

    yield again
    for buffer in buffers:
        buffer.close()


def all_of(buffer: Buffer, position: int = 0, most: int = 7) -> list[bytes]:
    found: list[bytes] = []
    while True:
        records, position = buffer.read(position, most)
        if not records:
            return found
        found += records


def test_read__what_was_appended__comes_back_in_order_over_segments_and_a_restart(
    opened: Callable[..., Buffer], tmp_path: Path
) -> None:
    buffer = opened(10_000, segment_bytes=100)
    for record in RECORDS:
        buffer.append([record])
    identity = buffer.id
    assert len(list(tmp_path.glob("*.records"))) > 5
    assert all_of(buffer) == RECORDS
    again = opened(10_000, segment_bytes=100)
    assert (again.id, all_of(again)) == (identity, RECORDS)
    position = again.read(0, 20)[1]
    again.release(position)
    assert all_of(again, position) == RECORDS[20:]
    assert again.start <= position


def test_release__everything__gives_the_room_back_and_keeps_the_position(
    opened: Callable[..., Buffer], tmp_path: Path
) -> None:
    buffer = opened(400)
    position = buffer.append(RECORDS[:10])
    buffer.release(position)
    assert (buffer.start, buffer.end) == (position, position)
    buffer.append(RECORDS[10:20])
    again = opened(400)
    assert all_of(again, position) == RECORDS[10:20]


def test_append__no_room__writes_nothing_until_some_is_given_back(
    opened: Callable[..., Buffer], tmp_path: Path
) -> None:
    buffer = opened(200)
    position = buffer.append(RECORDS[:10])
    with pytest.raises(BufferFull):
        buffer.append(RECORDS[10:20])
    assert all_of(buffer) == RECORDS[:10]
    buffer.release(position)
    buffer.append(RECORDS[10:20])
    assert all_of(buffer, position) == RECORDS[10:20]


@pytest.mark.parametrize("cut", [1, 5, 12, 17])
def test_open__record_cut_off__is_removed_and_the_others_stand(
    opened: Callable[..., Buffer], tmp_path: Path, cut: int
) -> None:
    buffer = opened(10_000)
    buffer.append(RECORDS)
    (path,) = tmp_path.glob("*.records")
    os.truncate(path, path.stat().st_size - cut)
    again = opened()
    assert all_of(again) == RECORDS[: -1 if cut < 18 else -2]
    again.append([b"new"])
    assert all_of(again)[-1] == b"new"


def test_read__changed_on_disk__is_named(opened: Callable[..., Buffer], tmp_path: Path) -> None:
    buffer = opened(10_000)
    buffer.append(RECORDS)
    (path,) = tmp_path.glob("*.records")
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    with pytest.raises(BufferDamaged, match=r"0\.records at byte 16"):
        all_of(buffer)


def test_open__twice__is_refused(opened: Callable[..., Buffer], tmp_path: Path) -> None:
    buffer = opened(100)
    with pytest.raises(BufferInUse):
        Buffer(tmp_path, 100)
    second = Buffer.first_free(tmp_path.parent, tmp_path.name, 100)
    assert second.folder.name == f"{tmp_path.name}-2"
    second.close()
    assert opened(100).id == buffer.id
