"""Windows find what endpoints take, and stay there."""

from indexer.window import FIRST_BLOCKS, MOST_BLOCKS, PATIENCE, TARGET_ANSWER_BYTES, Window


def test_answered__small_answers__open_to_the_most() -> None:
    window = Window()
    for _ in range(9):
        window.answered(window.blocks, 1_000)
    assert window.blocks == MOST_BLOCKS


def test_answered__large_answers__settle_at_the_target() -> None:
    window = Window()
    for _ in range(9):
        window.answered(window.blocks, window.blocks * TARGET_ANSWER_BYTES // 13)
    assert window.blocks == 13


def test_refused__without_a_number__halves_and_tries_again_later() -> None:
    window = Window()
    window.refused(FIRST_BLOCKS)
    assert window.blocks == FIRST_BLOCKS // 2
    for _ in range(PATIENCE - 1):
        window.answered(window.blocks, 1_000)
        assert window.blocks == FIRST_BLOCKS // 2
    window.answered(window.blocks, 1_000)
    assert window.blocks == FIRST_BLOCKS


def test_refused__with_a_number__is_believed() -> None:
    window = Window()
    window.refused(FIRST_BLOCKS, 3)
    for _ in range(3 * PATIENCE):
        window.answered(window.blocks, 1_000)
        assert window.blocks == 3


def test_refused__with_a_number_that_is_no_help__halves() -> None:
    window = Window()
    window.refused(10, 10)
    assert window.blocks == 5
    window.refused(1, 1)
    assert window.blocks == 1
