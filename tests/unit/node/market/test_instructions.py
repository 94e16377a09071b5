import pytest

from node.market.instructions import SIZE, Instructions, InstructionsUnreadable, SelfTrade


def test_to_bytes__every_instruction__comes_back() -> None:
    asked = Instructions(True, 2**48 - 1, SelfTrade.CANCEL_BOTH, 2**32 - 1, replaces=bytes(32), block=b"\xff" * 32)

    assert Instructions.from_bytes(asked.to_bytes()) == asked
    assert len(asked.to_bytes()) == SIZE == 78
    assert Instructions().to_bytes() == bytes(78)
    assert Instructions.from_bytes(bytes(78)) == Instructions()


@pytest.mark.parametrize(
    "data",
    [b"", bytes(77), bytes(79), b"\x08" + bytes(77), b"\x00\x04" + bytes(76), bytes(77) + b"\x01"],
    ids=["empty", "cut", "longer", "unknown flag", "unknown mode", "a block without its flag"],
)
def test_from_bytes__what_nobody_writes__is_refused(data: bytes) -> None:
    with pytest.raises(InstructionsUnreadable):
        Instructions.from_bytes(data)
