"""From exact nano-currency to what the chain moves: one amount an order, one adjustment an account.

Buyers pay rounded up, sellers and adjustments are rounded down, so that the batch never pays out more than it takes
in. What an account owes beyond what its mandate and its cash allow is left to the grid account, its counterparty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from contracts.units import NANO_PER_CASH, cash_down, cash_up
from node.settlement.delivery import Delivery
from node.settlement.imbalance import Imbalance

BUY: Final = 0
SELL: Final = 1


@dataclass(frozen=True, slots=True)
class OrderFill:
    """What one order settles: Wh matched and delivered, and cash units paid (buy) or received (sell).

    A negative price turns the payment round: the amount is negative.
    """

    order: bytes
    side: int
    trader: bytes
    fill_wh: int
    delivered_wh: int
    money: int


@dataclass(frozen=True, slots=True)
class Netting:
    """The chain amounts of a slot before anybody's means are looked at."""

    fills: tuple[OrderFill, ...]
    """Sellers first, so that what a trader earns can pay for what he buys; each side in trade order."""
    adjustments: tuple[tuple[bytes, int], ...]
    """Account and cash units (negative: charged), in account order. An amount that only rounding made zero stays:
    the chain allows one unit of rounding for each entry."""
    grid_fee_nano: int
    residue_nano: int
    """What rounding left over; at least 0 and less than one cash unit per fill and account."""

    @property
    def fee(self) -> int:
        """Cash units that stay at the exchange: grid fee and residue."""
        return (self.grid_fee_nano + self.residue_nano) // NANO_PER_CASH


@dataclass(frozen=True, slots=True)
class Charge:
    """What one account owed, could be charged at most, and was charged, in cash units."""

    account: bytes
    owed: int
    cap: int
    locked: int = 0
    """Part of the cash that the cap leaves out: it is held for orders in other slots, or the charge is withheld."""

    @property
    def charged(self) -> int:
        return min(self.owed, self.cap)

    @property
    def shortfall(self) -> int:
        return self.owed - self.charged


@dataclass(frozen=True, slots=True)
class Means:
    """What an account can be charged for imbalance, in cash units, as the ledger stood at one block."""

    budget_per_slot: int
    budget_left: int
    cash: int
    """Cash once the fills of the batch are settled."""
    locked: int = 0
    """Cash that is held for the account's orders in other slots; all of it where the charge is withheld."""

    @property
    def cap(self) -> int:
        return max(0, min(self.budget_per_slot, self.budget_left, self.cash - self.locked))


def net(deliveries: Iterable[Delivery], imbalance: Imbalance, grid_account: bytes) -> Netting:
    """Chain amounts of a slot. The grid account's adjustment holds its remainder and, if it trades, its own part."""
    deliveries = tuple(deliveries)
    fills = tuple(order.fill() for order in _orders(deliveries))
    owed_nano = {line.account: line.imbalance_money_nano for line in imbalance.lines}
    owed_nano[grid_account] = owed_nano.get(grid_account, 0) + imbalance.grid_money_nano
    adjustments = tuple((account, cash_down(owed_nano[account])) for account in sorted(owed_nano) if owed_nano[account])
    paid = sum(fill.money if fill.side == BUY else -fill.money for fill in fills) - sum(
        money for _, money in adjustments
    )
    grid_fee_nano = sum(delivery.fee_nano for delivery in deliveries)
    return Netting(
        fills=fills,
        adjustments=adjustments,
        grid_fee_nano=grid_fee_nano,
        residue_nano=paid * NANO_PER_CASH - grid_fee_nano,
    )


def owing(netting: Netting, grid_account: bytes) -> dict[bytes, int]:
    """Accounts that are charged, the grid's left out, and what they owe in cash units."""
    return {account: -money for account, money in netting.adjustments if money < 0 and account != grid_account}


def cash_after_fills(netting: Netting, account: bytes, cash: int) -> int:
    """An account's cash once the fills of the batch are settled."""
    for fill in netting.fills:
        if fill.trader == account:
            cash += fill.money if fill.side == SELL else -fill.money
    return cash


def means_after(netting: Netting, account: bytes, means: Means) -> Means:
    """What an account can be charged once the fills of the batch are settled."""
    return replace(means, cash=cash_after_fills(netting, account, means.cash))


def charge(netting: Netting, caps: Mapping[bytes, int]) -> tuple[Charge, ...]:
    """What is charged of each owing account named in ``caps``, in account order."""
    money = dict(netting.adjustments)
    return tuple(Charge(account, max(0, -money.get(account, 0)), caps[account]) for account in sorted(caps))


def adjusted(netting: Netting, charges: Iterable[Charge], grid_account: bytes) -> tuple[tuple[bytes, int], ...]:
    """The adjustments as they go on chain: charges cut to the caps, the shortfall taken from the grid account."""
    money = dict(netting.adjustments)
    for item in charges:
        money[item.account] = -item.charged
        money[grid_account] = money.get(grid_account, 0) - item.shortfall
    known = {account for account, _ in netting.adjustments}
    return tuple((account, money[account]) for account in sorted(money) if account in known or money[account])


@dataclass(slots=True)
class _Order:
    digest: bytes
    side: int
    trader: bytes
    fill_wh: int = 0
    delivered_wh: int = 0
    money_nano: int = 0

    def fill(self) -> OrderFill:
        rounded = cash_up(self.money_nano) if self.side == BUY else cash_down(self.money_nano)
        return OrderFill(
            order=self.digest,
            side=self.side,
            trader=self.trader,
            fill_wh=self.fill_wh,
            delivered_wh=self.delivered_wh,
            money=rounded,
        )


def _orders(deliveries: Iterable[Delivery]) -> list[_Order]:
    buys: dict[bytes, _Order] = {}
    sells: dict[bytes, _Order] = {}
    for delivery in deliveries:
        trade = delivery.trade
        buy = buys.setdefault(trade.buy_order, _Order(trade.buy_order, BUY, trade.buyer))
        sell = sells.setdefault(trade.sell_order, _Order(trade.sell_order, SELL, trade.seller))
        for order in (buy, sell):
            order.fill_wh += trade.energy_wh
            order.delivered_wh += delivery.delivered_wh
            order.money_nano += delivery.value_nano
        buy.money_nano += delivery.fee_nano
    return [*sells.values(), *buys.values()]
