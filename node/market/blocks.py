"""Blocks: orders over several slots and zones that are filled together, every one whole, or not at all.

A session clears all its slots at once. Every order of a block keeps its own limit, which its trader has signed: at the
published prices no block that is accepted has a loss in any slot. A block may have a parent, and is accepted only if
its parent is.

Which blocks to accept is a hard combinatorial question; this is a heuristic, deterministic and of bounded time:

1. All blocks take part, as if their orders could be filled in part. While there are blocks of which an order is not
   filled, the one with the least surplus at the prices then is taken out (of equals the latest), and its children
   with it; the slots that it touches are cleared again.
2. Every block that was taken out is offered a way back, the one with most surplus first (of equals the earliest): it
   stays if then every order of every block is filled. This is repeated while it brings a block back, at most
   ``MOST_PASSES`` times.

At the end every accepted block is filled. Blocks are listed (paradoxically rejected) that were left out though each of
their orders has a price at which it does not lose, and some would gain. Each accepted block adds to welfare, but
another choice of blocks may have more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from node.market import zonal
from node.market.area import Area
from node.market.auction import Book
from node.market.zonal import ZonalResult

MOST_PASSES: Final = 8

Books: TypeAlias = Mapping[int, Mapping[int, Book]]
"""Of a session: by delivery start and zone."""


class BlockInvalid(ValueError):
    """Blocks must have orders of the session, each in one block, and parents that are no descendants."""


@dataclass(frozen=True, slots=True)
class Block:
    """Orders that are filled together, named by their sequence numbers."""

    orders: tuple[int, ...]
    parent: int | None = None
    """Position of the block without which this one is not accepted."""


@dataclass(frozen=True, slots=True, eq=False)
class SessionResult:
    """What a session decided."""

    slots: Mapping[int, ZonalResult]
    """By delivery start."""
    accepted: tuple[int, ...]
    """Positions of blocks, ascending."""
    rejected: tuple[int, ...]
    """Positions of the blocks left out though they would gain at the published prices (paradoxically rejected)."""


@dataclass(frozen=True, slots=True)
class _Leg:
    """An order of a block, and where it stands."""

    delivery_start: int
    zone: int
    buys: bool
    position: int
    quantity_wh: int
    limit_per_kwh: int

    def is_filled(self, slots: Mapping[int, ZonalResult]) -> bool:
        return bool(self._side(slots).fills_wh[self.position] == self.quantity_wh)

    def gain_per_kwh(self, slots: Mapping[int, ZonalResult]) -> int | None:
        """What a kWh gains at the price; None where there is no price."""
        price = self._side(slots).price_per_kwh
        return None if price is None else (self.limit_per_kwh - price) * (1 if self.buys else -1)

    def _side(self, slots: Mapping[int, ZonalResult]) -> zonal.SideResult:
        result = slots[self.delivery_start]
        return (result.buys if self.buys else result.sells)[self.zone]


def clear_session(area: Area, books: Books, blocks: Sequence[Block]) -> SessionResult:
    """Clears all slots of a session at once.

    Raises:
        BlockInvalid: an order of a block is not in the books or is in two blocks, or a parent is a descendant.
        ValueError: more energy than is computed exactly.
    """
    return _Session(area, books, blocks).run()


class _Session:
    """Which blocks take part, and what the slots come to with them."""

    def __init__(self, area: Area, books: Books, blocks: Sequence[Block]) -> None:
        self._area, self._books, self._blocks = area, books, blocks
        self._legs = _legs(books, blocks)
        self._children = _children(blocks)
        self._in = set(range(len(blocks)))
        self._slots: dict[int, ZonalResult] = {}
        self._clear(books)

    def run(self) -> SessionResult:
        while (worst := self._worst()) is not None:
            gone = {block for block in self._with_children(worst) if block in self._in}
            self._in -= gone
            self._clear(self._starts(gone))
        for _ in range(MOST_PASSES):
            if not self._bring_back():
                break
        return SessionResult(self._slots, tuple(sorted(self._in)), tuple(self._paradoxes()))

    def _worst(self) -> int | None:
        unfilled = [block for block in self._in if not self._is_filled(block)]
        return min(unfilled, key=lambda block: (self._surplus(block), -self._sequence(block)), default=None)

    def _bring_back(self) -> bool:
        """Offers every block that is out its way back; says whether one took it."""
        out = [block for block in range(len(self._blocks)) if block not in self._in]
        came_back = False
        for block in sorted(out, key=lambda block: (-self._surplus(block), self._sequence(block))):
            if self._parent_is_out(block):
                continue
            before = dict(self._slots)
            self._in.add(block)
            self._clear(self._starts([block]))
            if all(self._is_filled(other) for other in self._in):
                came_back = True
            else:
                self._in.remove(block)
                self._slots = before
        return came_back

    def _paradoxes(self) -> Iterable[int]:
        for block in range(len(self._blocks)):
            if block in self._in or self._parent_is_out(block):
                continue
            gains = [leg.gain_per_kwh(self._slots) for leg in self._legs[block]]
            if all(gain is not None and gain >= 0 for gain in gains) and any(gains):
                yield block

    def _clear(self, starts: Iterable[int]) -> None:
        without = {
            order for number, block in enumerate(self._blocks) if number not in self._in for order in block.orders
        }
        for start in starts:
            self._slots[start] = zonal.clear(self._area, self._books[start], without)

    def _starts(self, blocks: Iterable[int]) -> list[int]:
        return sorted({leg.delivery_start for block in blocks for leg in self._legs[block]})

    def _is_filled(self, block: int) -> bool:
        return all(leg.is_filled(self._slots) for leg in self._legs[block])

    def _surplus(self, block: int) -> int:
        """At the prices as they are, in nano-currency; where there is no price there is no surplus."""
        return sum((leg.gain_per_kwh(self._slots) or 0) * leg.quantity_wh for leg in self._legs[block])

    def _sequence(self, block: int) -> int:
        return min(self._blocks[block].orders)

    def _parent_is_out(self, block: int) -> bool:
        parent = self._blocks[block].parent
        return parent is not None and parent not in self._in

    def _with_children(self, block: int) -> Iterable[int]:
        yield block
        for child in self._children[block]:
            yield from self._with_children(child)


def _legs(books: Books, blocks: Sequence[Block]) -> list[list[_Leg]]:
    """The orders of each block, found in the books."""
    wanted = {order: number for number, block in enumerate(blocks) for order in block.orders}
    if len(wanted) != sum(len(block.orders) for block in blocks):
        raise BlockInvalid("an order is in a block twice, or in two blocks")
    if not all(block.orders for block in blocks):
        raise BlockInvalid("a block has no orders")
    legs: list[list[_Leg]] = [[] for _ in blocks]
    for start, zones in sorted(books.items()):
        for zone, book in sorted(zones.items()):
            for buys, side in ((True, book.buys), (False, book.sells)):
                for position, sequence in enumerate(side.sequence.tolist()):
                    if (block := wanted.pop(sequence, None)) is not None:
                        quantity, limit = int(side.quantity_wh[position]), int(side.limit_per_kwh[position])
                        legs[block].append(_Leg(start, zone, buys, position, quantity, limit))
    if wanted:
        raise BlockInvalid(f"orders {sorted(wanted)} of blocks are not in the session's books")
    return legs


def _children(blocks: Sequence[Block]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in blocks]
    for number, block in enumerate(blocks):
        ancestor, steps = block.parent, 0
        while ancestor is not None:
            if not 0 <= ancestor < len(blocks) or steps == len(blocks):
                raise BlockInvalid(f"block {number} has no parent {block.parent}, or is its own ancestor")
            ancestor, steps = blocks[ancestor].parent, steps + 1
        if block.parent is not None:
            children[block.parent].append(number)
    return children
