"""What the matching engines have in common: the network they match in, why orders leave, and the hashes of results."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

BUY: Final = 0
SELL: Final = 1
UNLIMITED_WH: Final = 2**62

_FILL_BYTES: Final = 40


class Reason(StrEnum):
    """Why energy of an order will not trade any more in the continuous book."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    NOTHING_TO_REPLACE = "nothing-to-replace"
    CARRIED = "carried"
    """Traded by the order that this one replaced."""
    IMMEDIATE = "immediate-or-cancel"
    FILL_OR_KILL = "fill-or-kill"
    POST_ONLY = "post-only"
    MIN_FILL = "min-fill"
    SELF_TRADE = "self-trade"


REASONS: Final = (None, *Reason)
"""By the number that the compiled loop knows them by."""


@dataclass(frozen=True, slots=True)
class Network:
    """Fees and capacities between the zones of an area, by their positions: [seller's][buyer's]."""

    fee_per_kwh: Sequence[Sequence[int | None]]
    """Micro-currency per kWh; None where nothing can flow."""
    capacity_wh: Sequence[Sequence[int]]
    """``UNLIMITED_WH`` where there is no limit. Flows in opposite directions do not make room for each other."""

    @classmethod
    def single(cls, fee_per_kwh: int) -> "Network":
        """A zone by itself."""
        return cls(((fee_per_kwh,),), ((UNLIMITED_WH,),))


def chain_hash(previous_hash: bytes, fills: ArrayLike) -> bytes:
    """Of a chain in which each fill follows the earlier ones: sha256 of the hash before it and the fill.

    A fill is the sequence of the bid and of the offer, Wh, what the seller receives per kWh, and the fee that the buyer
    pays more: numbers of 8 bytes, big-endian.
    """
    packed = _packed(fills)
    for at in range(0, len(packed), _FILL_BYTES):
        previous_hash = sha256(previous_hash + packed[at : at + _FILL_BYTES]).digest()
    return previous_hash


def replay_hash(fills: ArrayLike, state: ArrayLike) -> bytes:
    """sha256 of how many fills there were, the fills, and the book that is left: numbers of 8 bytes, big-endian.

    Of an order in the book: sequence, rank, Wh left, Wh shown, Wh that it must trade at once if at all.
    """
    packed = _packed(fills)
    return sha256(_packed(len(packed) // _FILL_BYTES) + packed + _packed(state)).digest()


def _packed(numbers: ArrayLike) -> bytes:
    return np.asarray(numbers, dtype=np.int64).astype(">i8").tobytes()
