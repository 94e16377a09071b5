"""EIP-1559 fees, in wei per gas: the first offer, and the higher one that replaces it."""

from dataclasses import dataclass
from typing import Final

WEI_PER_GWEI: Final = 10**9
DEFAULT_TIP: Final = WEI_PER_GWEI
"""Offered where the node cannot suggest a tip."""


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers, in wei per gas."""

    max_fee: int
    tip: int


def offer(base_fee: int, suggested_tip: int | None, ceiling: int) -> Fees:
    """Fees that stay payable while the base fee doubles (six full blocks), never above ``ceiling``."""
    tip = min(DEFAULT_TIP if suggested_tip is None else suggested_tip, ceiling)
    return Fees(min(2 * base_fee + tip, ceiling), tip)


def raised(old: Fees, current: Fees, ceiling: int) -> Fees | None:
    """Fees that nodes accept as a replacement of ``old`` (both at least 12.5 % higher), or None above ``ceiling``."""
    tip = max(_eighth_more(old.tip), current.tip)
    max_fee = max(_eighth_more(old.max_fee), current.max_fee, tip)
    return None if max_fee > ceiling else Fees(max_fee, tip)


def _eighth_more(amount: int) -> int:
    return amount + amount // 8 + 1
