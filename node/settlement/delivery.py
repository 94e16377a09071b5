"""How much of each trade the meters delivered.

Trades are firm on money, the rent of a congested line included; energy tokens and the grid fee follow what was metered.
Of a seller's injection and a buyer's withdrawal, the trades with the lowest grid fee (the most local ones) are served
first, then the earlier ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.units import money_nano


@dataclass(frozen=True, slots=True)
class Trade:
    """A matched pair of orders; ``number`` is its place in the sequence of the slot."""

    number: int
    buy_order: bytes
    sell_order: bytes
    buyer: bytes
    seller: bytes
    energy_wh: int
    price_per_kwh: int
    """Received by the seller, in micro-currency per kWh."""
    fee_per_kwh: int
    """Grid fee, paid by the buyer on what is delivered, in micro-currency per kWh."""
    rent_per_kwh: int = 0
    """Congestion rent between the zones, paid by the buyer on the whole quantity, in micro-currency per kWh."""

    @property
    def service(self) -> tuple[int, int]:
        """Trades are delivered, and put into batches, in this order."""
        return self.fee_per_kwh, self.number


@dataclass(frozen=True, slots=True)
class Metered:
    """What all meters of an account saw in one slot. ``missing``: at least one of them is not proved."""

    injection_wh: int
    withdrawal_wh: int
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A trade and the part of it that was metered on both sides."""

    trade: Trade
    delivered_wh: int

    @property
    def value_nano(self) -> int:
        """What the seller receives: the whole matched quantity at the trade's price."""
        return money_nano(self.trade.price_per_kwh, self.trade.energy_wh)

    @property
    def fee_nano(self) -> int:
        """The grid fee on what was delivered."""
        return money_nano(self.trade.fee_per_kwh, self.delivered_wh)

    @property
    def rent_nano(self) -> int:
        """The congestion rent on the whole quantity."""
        return money_nano(self.trade.rent_per_kwh, self.trade.energy_wh)


def deliver(trades: Iterable[Trade], metered: Mapping[bytes, Metered]) -> tuple[Delivery, ...]:
    """The delivered quantity of every trade, in trade order.

    An account with a missing meter, or without any, delivers and takes nothing.
    """
    proved = {account: meter for account, meter in metered.items() if not meter.missing}
    injection_wh = {account: meter.injection_wh for account, meter in proved.items()}
    withdrawal_wh = {account: meter.withdrawal_wh for account, meter in proved.items()}
    deliveries = []
    for trade in sorted(trades, key=lambda trade: trade.service):
        seller_left_wh = injection_wh.get(trade.seller, 0)
        buyer_left_wh = withdrawal_wh.get(trade.buyer, 0)
        delivered_wh = min(trade.energy_wh, seller_left_wh, buyer_left_wh)
        injection_wh[trade.seller] = seller_left_wh - delivered_wh
        withdrawal_wh[trade.buyer] = buyer_left_wh - delivered_wh
        deliveries.append(Delivery(trade, delivered_wh))
    return tuple(sorted(deliveries, key=lambda delivery: delivery.trade.number))
