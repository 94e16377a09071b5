"""A later version of a slot's settlement as the difference to the version before: money only.

What the exchange moved for orders stands: a revision changes what accounts owe or receive for imbalance, and the grid
fee on what turned out to be delivered. Both go by adjustments within the accounts' mandates, against the grid account.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.units import NANO_PER_CASH, cash_down
from node.settlement.imbalance import Line


@dataclass(frozen=True, slots=True)
class Before:
    """What the version before has settled."""

    money_nano: Mapping[bytes, int]
    """Of every account, exactly; positive: received."""
    uncovered: Mapping[bytes, int]
    """Cash units that an account owed and could not be charged."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a version changes, in nano-currency, and what then is still not covered, in cash units."""

    money_nano: Mapping[bytes, int]
    uncovered: Mapping[bytes, int]


def money_nano(line: Line) -> int:
    """All that an account receives in a slot, exactly."""
    return line.trade_money_nano - line.grid_fee_nano - line.rent_nano + line.imbalance_money_nano


def difference(lines: Iterable[Line], before: Before) -> Difference:
    """What each account receives more than before; nobody gets back what he owed and never paid.

    An account that is in one version only received nothing in the other.
    """
    now = {line.account: money_nano(line) for line in lines}
    money, uncovered = {}, dict(before.uncovered)
    for account in now.keys() | before.money_nano.keys():
        more = now.get(account, 0) - before.money_nano.get(account, 0)
        if more > 0 and account in uncovered:
            kept = min(cash_down(more), uncovered[account])
            uncovered[account] -= kept
            more -= kept * NANO_PER_CASH
        money[account] = more
    return Difference(money, {account: cash for account, cash in uncovered.items() if cash})
