"""From exact nano-currency to what the chain moves: for each batch, one amount an order and one adjustment an account.

Buyers pay rounded up, sellers and adjustments are rounded down, so that no batch pays out more than it takes in. What
an account owes beyond what its mandate and its cash allow is left to the grid account, its counterparty.

Imbalance comes after the last trades, in their batch if all of it fits and else in batches of its own. The grid
account stands in each of them for what the others do not cover.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from contracts.settlement_batch import MAX_ENTRIES
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


Adjustments = tuple[tuple[bytes, int], ...]
"""Account and cash units (negative: charged), in account order."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one batch settles, before anybody's means are looked at."""

    fills: tuple[OrderFill, ...] = ()
    """Sellers first, so that what a trader earns can pay for what he buys; each side in trade order."""
    adjustments: Adjustments = ()
    """An amount that only rounding made zero stays: the chain allows one unit of rounding for each entry."""

    @property
    def fee(self) -> int:
        """Cash units that stay at the exchange: grid fee, congestion rent and residue."""
        paid = sum(fill.money if fill.side == BUY else -fill.money for fill in self.fills)
        return paid - sum(money for _, money in self.adjustments)


@dataclass(frozen=True, slots=True)
class Netting:
    """The chain amounts of a slot, batch by batch."""

    parts: tuple[Part, ...]
    grid_fee_nano: int
    """What buyers pay in all for the grid, exactly."""
    rent_nano: int = 0
    """What buyers pay in all for congested lines, exactly."""
    is_difference: bool = False
    """The batches settle only what differs from the version before; then fee and rent differ at the grid account."""

    @property
    def fills(self) -> tuple[OrderFill, ...]:
        """Of all batches; an order that is filled in several stands in each."""
        return tuple(fill for part in self.parts for fill in part.fills)

    @property
    def adjustments(self) -> Adjustments:
        """Of all batches; the grid account may stand in several."""
        return tuple(entry for part in self.parts for entry in part.adjustments)

    @property
    def fee(self) -> int:
        """Cash units that stay at the exchange."""
        return sum(part.fee for part in self.parts)

    @property
    def residue_nano(self) -> int:
        """What rounding left over; at least 0 and less than one cash unit per fill and adjustment."""
        kept = 0 if self.is_difference else self.grid_fee_nano + self.rent_nano
        return self.fee * NANO_PER_CASH - kept


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


def net(
    chunks: Iterable[Iterable[Delivery]], imbalance: Imbalance, grid_account: bytes, most: int = MAX_ENTRIES
) -> Netting:
    """Chain amounts of a slot whose trades are settled chunk by chunk, in batches of ``most`` entries."""
    chunks = [tuple(chunk) for chunk in chunks]
    trades = [Part(tuple(order.fill() for order in _orders(chunk))) for chunk in chunks]
    others = {line.account: line.imbalance_money_nano for line in imbalance.lines}
    adjustments = adjustment_parts(others, grid_account, most)
    if trades and len(adjustments) == 1 and len(trades[-1].fills) + _entries(adjustments[0], grid_account) <= most:
        last = trades.pop()
        adjustments = [replace(adjustments[0], fills=last.fills)]
    return Netting(
        parts=(*trades, *adjustments),
        grid_fee_nano=sum(delivery.fee_nano for chunk in chunks for delivery in chunk),
        rent_nano=sum(delivery.rent_nano for chunk in chunks for delivery in chunk),
    )


def adjustment_parts(money_nano: Mapping[bytes, int], grid_account: bytes, most: int) -> list[Part]:
    """What accounts receive or owe, in batches of ``most`` entries in each of which the grid account is the other side.

    Accounts that owe and accounts that receive take turns, so that no batch takes much more of the grid account than
    all of them together.
    """
    owed = {account: money for account, money in money_nano.items() if money and account != grid_account}
    accounts = list(_in_turns(owed)) if len(owed) >= most else list(owed)
    groups = [accounts[start : start + most - 1] for start in range(0, len(accounts), most - 1)]
    return [Part(adjustments=_against_grid({name: owed[name] for name in group}, grid_account)) for group in groups]


def _in_turns(owed: Mapping[bytes, int]) -> Iterator[bytes]:
    owing = deque(account for account in sorted(owed) if owed[account] < 0)
    receiving = deque(account for account in sorted(owed) if owed[account] > 0)
    paid_out = 0
    while owing or receiving:
        side = owing if owing and (paid_out >= 0 or not receiving) else receiving
        account = side.popleft()
        paid_out += owed[account]
        yield account


def _against_grid(owed: Mapping[bytes, int], grid_account: bytes) -> Adjustments:
    money = {account: cash_down(nano) for account, nano in owed.items()}
    if rest := -sum(owed.values()):
        money[grid_account] = cash_down(rest)
    return tuple(sorted(money.items()))


def _entries(part: Part, grid_account: bytes) -> int:
    """Adjustments of a part; what is not covered by its account may need one of the grid account."""
    return len({grid_account, *(account for account, _ in part.adjustments)})


def owing(part: Part, grid_account: bytes) -> dict[bytes, int]:
    """Accounts that are charged, the grid's left out, and what they owe in cash units."""
    return {account: -money for account, money in part.adjustments if money < 0 and account != grid_account}


def cash_after_fills(part: Part, account: bytes, cash: int) -> int:
    """An account's cash once the fills of the batch are settled."""
    for fill in part.fills:
        if fill.trader == account:
            cash += fill.money if fill.side == SELL else -fill.money
    return cash


def means_after(part: Part, account: bytes, means: Means) -> Means:
    """What an account can be charged once the fills of the batch are settled."""
    return replace(means, cash=cash_after_fills(part, account, means.cash))


def charge(part: Part, caps: Mapping[bytes, int]) -> tuple[Charge, ...]:
    """What is charged of each owing account named in ``caps``, in account order."""
    money = dict(part.adjustments)
    return tuple(Charge(account, max(0, -money.get(account, 0)), caps[account]) for account in sorted(caps))


def adjusted(part: Part, charges: Iterable[Charge], grid_account: bytes) -> Adjustments:
    """The adjustments as they go on chain: charges cut to the caps, the shortfall taken from the grid account."""
    money = dict(part.adjustments)
    for item in charges:
        money[item.account] = -item.charged
        money[grid_account] = money.get(grid_account, 0) - item.shortfall
    known = {account for account, _ in part.adjustments}
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
        buy.money_nano += delivery.fee_nano + delivery.rent_nano
    return [*sells.values(), *buys.values()]
