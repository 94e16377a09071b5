"""How a marginal price level shares what is left for it. Pure integer arithmetic on whole watt-hours.

Orders are given in the order of their sequence numbers, which decides every tie.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Int64s: TypeAlias = npt.NDArray[np.int64]

_PIECE = 16_384


def pro_rata(quantity_wh: Int64s, amount_wh: int) -> Int64s:
    """Shares ``amount_wh`` in proportion to quantity, by largest remainder, ties to the earlier order.

    Exact for quantities below 2**48 and totals below 2**61: the floating-point quotient is only a first guess,
    and its remainder, which is small, is exact modulo 2**64.
    """
    total_wh = int(quantity_wh.sum())
    # Both in one array, and a piece at a time: what a piece needs in between stays in the processor's cache.
    share, remainder = np.empty((2, len(quantity_wh)), dtype=np.int64)
    for start in range(0, len(quantity_wh), _PIECE):
        piece = slice(start, start + _PIECE)
        share[piece], remainder[piece] = _shares(quantity_wh[piece], amount_wh, total_wh)
    missing = amount_wh - int(share.sum())
    if missing:
        share[_largest(remainder, missing)] += 1
    return share


def _shares(quantity_wh: Int64s, amount_wh: int, total_wh: int) -> tuple[Int64s, Int64s]:
    """Shares rounded down, and what each lost by it, in parts of ``total_wh``."""
    share: Int64s = np.floor(quantity_wh * (amount_wh / total_wh)).astype(np.int64)
    wide = quantity_wh.astype(np.uint64) * np.uint64(amount_wh) - share.astype(np.uint64) * np.uint64(total_wh)
    remainder = wide.view(np.int64)
    correction = (remainder >= total_wh).astype(np.int64) - (remainder < 0)
    share += correction
    remainder -= correction * total_wh
    return share, remainder


def price_time(quantity_wh: Int64s, amount_wh: int) -> Int64s:
    """Fills the orders one after another until ``amount_wh`` is used up."""
    before: Int64s = np.cumsum(quantity_wh) - quantity_wh
    fills: Int64s = np.clip(amount_wh - before, 0, quantity_wh)
    return fills


def _largest(values: Int64s, count: int) -> Int64s:
    """Positions of the ``count`` largest values; of equal ones the first."""
    threshold = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > threshold)
    equal = np.flatnonzero(values == threshold)
    return np.concatenate((above, equal[: count - len(above)]))
