"""What a trader asks of the matching engine beside the signed order. The exchange contract does not know of it.

Encoded in 78 bytes, big-endian: flags(u8: 1 post-only, 2 replaces an order, 4 in a block) self-trade mode(u8)
displayed(u64, Wh) good till(u32, Unix s) digest of the replaced order(32) block(32); zeros where there is none.
"""

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

_BYTES: Final = Struct(">BBQI32s32s")
_NONE: Final = bytes(32)
_POST_ONLY: Final = 1
_REPLACES: Final = 2
_IN_BLOCK: Final = 4

SIZE: Final = _BYTES.size


class TimeInForce(IntEnum):
    """How long an order may wait, as the signed order says."""

    GOOD_TILL_GATE = 0
    GOOD_TILL_TIME = 1
    IMMEDIATE_OR_CANCEL = 2
    FILL_OR_KILL = 3


class SelfTrade(IntEnum):
    """What happens instead of a trade between two orders of one trader; the later order's mode counts."""

    CANCEL_NEWEST = 0
    CANCEL_OLDEST = 1
    CANCEL_BOTH = 2
    DECREMENT = 3
    """Both lose the energy that they would have traded."""


class InstructionsUnreadable(ValueError):
    """The bytes are not instructions."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """The default asks for nothing."""

    post_only: bool = False
    """Rather not enter than trade at once."""
    display_wh: int = 0
    """How much of the order the book shows at a time; 0 for all of it."""
    self_trade: int = SelfTrade.CANCEL_NEWEST
    good_till: int = 0
    """Unix seconds at which an order that is good till time leaves the book; 0 for the gate. Not its ``expiry``, which
    is the contract's and lies after the start of delivery."""
    replaces: bytes | None = None
    """Digest of the order that this one takes the place of. Its energy is the new total: what the replaced order has
    traded counts against it."""
    block: bytes | None = None
    """Names the block of orders that are filled together or not at all, in the auction."""

    def to_bytes(self) -> bytes:
        """The 78 bytes."""
        flags = (
            _POST_ONLY * self.post_only | _REPLACES * (self.replaces is not None) | _IN_BLOCK * (self.block is not None)
        )
        return _BYTES.pack(
            flags, self.self_trade, self.display_wh, self.good_till, self.replaces or _NONE, self.block or _NONE
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Instructions":
        """Reads the bytes back.

        Raises:
            InstructionsUnreadable: not exactly what ``to_bytes`` writes.
        """
        if len(data) != SIZE:
            raise InstructionsUnreadable(f"instructions have {SIZE} bytes, these {len(data)}")
        flags, self_trade, display_wh, good_till, replaces, block = _BYTES.unpack(data)
        read = cls(
            post_only=bool(flags & _POST_ONLY),
            display_wh=display_wh,
            self_trade=self_trade,
            good_till=good_till,
            replaces=replaces if flags & _REPLACES else None,
            block=block if flags & _IN_BLOCK else None,
        )
        if self_trade > max(SelfTrade) or read.to_bytes() != data:
            raise InstructionsUnreadable(f"no such instructions: {data.hex()}")
        return read


NO_INSTRUCTIONS: Final = Instructions()
