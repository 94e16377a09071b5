"""How many blocks to ask for at once: towards answers of one size, below what endpoints refuse."""

from typing import Final

TARGET_ANSWER_BYTES: Final = 2_000_000
FIRST_BLOCKS: Final = 20
MOST_BLOCKS: Final = 200
PATIENCE: Final = 50
"""Answers at the highest size that is not refused, before a higher one is tried again."""


class Window:
    """Grows and shrinks with the answers."""

    def __init__(self) -> None:
        self.blocks = FIRST_BLOCKS
        self._ceiling = MOST_BLOCKS
        self._stated = False
        self._patience = 0

    def answered(self, blocks: int, size_bytes: int) -> None:
        """Moves towards the wanted size, at most by a factor of two."""
        fitting = blocks * TARGET_ANSWER_BYTES // max(size_bytes, 1)
        if blocks >= self._ceiling < MOST_BLOCKS and not self._stated:
            self._patience += 1
            if self._patience >= PATIENCE:
                self._ceiling, self._patience = min(2 * self._ceiling, MOST_BLOCKS), 0
        self.blocks = max(1, min(fitting, 2 * blocks, self._ceiling))

    def refused(self, blocks: int, stated: int | None = None) -> None:
        """An endpoint does not take so many; ``stated`` is how many it takes, where it says so."""
        self._stated = stated is not None and stated < blocks
        fewer = stated if stated is not None and stated < blocks else blocks // 2
        self._ceiling = self.blocks = max(1, fewer)
        self._patience = 0

    def failed(self, blocks: int) -> None:
        """Perhaps too much was asked at once: less the next time."""
        self.blocks = max(1, blocks // 2)
