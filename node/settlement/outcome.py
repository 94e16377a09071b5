"""A slot's settlement as one value: computed by the node, and again by whoever audits it."""

import hashlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from contracts.units import WH_PER_KWH
from node.settlement.delivery import Delivery, Metered, Trade, deliver
from node.settlement.imbalance import Imbalance, Line, Prices, settle_imbalance
from node.settlement.netting import Netting, net

_ENERGY_BYTES = 8
_MONEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that follows from a slot's trades, meters and prices."""

    zone: int
    delivery_start: int
    version: int
    deliveries: tuple[Delivery, ...]
    imbalance: Imbalance
    netting: Netting
    prices: Prices
    readings_root: bytes
    accounts: tuple[Line, ...]
    """Every account's line, the grid account's with its remainder in it: money sums to zero."""

    @property
    def delivered_wh(self) -> int:
        return sum(delivery.delivered_wh for delivery in self.deliveries)

    @property
    def traded_wh(self) -> int:
        return sum(delivery.trade.energy_wh for delivery in self.deliveries)

    @property
    def imbalance_wh(self) -> int:
        """The accounts' imbalances without their signs."""
        return sum(abs(line.imbalance_wh) for line in self.accounts)

    @property
    def moves_anything(self) -> bool:
        """False when there is nothing to put on chain: no fills, and nobody owes or receives a cash unit."""
        return bool(self.netting.fills) or any(money for _, money in self.netting.adjustments)


@dataclass(frozen=True, slots=True)
class Slot:
    """What a settlement follows from."""

    zone: int
    delivery_start: int
    version: int
    trades: tuple[Trade, ...]
    metered: Mapping[bytes, Metered]
    prices: Prices
    readings_root: bytes
    grid_account: bytes

    def settle(self, voided: Container[bytes] = frozenset()) -> Outcome:
        """The settlement without the trades of the orders named in ``voided``."""
        return settle(
            zone=self.zone,
            delivery_start=self.delivery_start,
            version=self.version,
            trades=self.kept(voided),
            metered=self.metered,
            prices=self.prices,
            readings_root=self.readings_root,
            grid_account=self.grid_account,
        )

    def kept(self, voided: Container[bytes]) -> list[Trade]:
        """The trades of which neither order is voided."""
        return [trade for trade in self.trades if trade.buy_order not in voided and trade.sell_order not in voided]


def settle(
    zone: int,
    delivery_start: int,
    version: int,
    trades: Iterable[Trade],
    metered: Mapping[bytes, Metered],
    prices: Prices,
    readings_root: bytes,
    grid_account: bytes,
) -> Outcome:
    """The settlement of one slot. The same arguments always give the same value and the same hash."""
    deliveries = deliver(trades, metered)
    imbalance = settle_imbalance(deliveries, metered, prices)
    return Outcome(
        zone=zone,
        delivery_start=delivery_start,
        version=version,
        deliveries=deliveries,
        imbalance=imbalance,
        netting=net(deliveries, imbalance, grid_account),
        prices=prices,
        readings_root=readings_root,
        accounts=_with_grid(imbalance, grid_account),
    )


def carbon_offset_g(delivered_wh: int, carbon_g_per_kwh: int) -> int:
    """Grams of emission that local energy replaced, rounded down."""
    return carbon_g_per_kwh * delivered_wh // WH_PER_KWH


def result_hash(outcome: Outcome) -> bytes:
    """SHA-256 over the outcome in fixed-width big-endian fields, in trade and account order."""
    parts = [_numbers(4, outcome.zone), _numbers(8, outcome.delivery_start), _numbers(2, outcome.version)]
    parts.append(outcome.readings_root)
    prices = outcome.prices
    parts.append(_numbers(_ENERGY_BYTES, prices.local_per_kwh, prices.long_per_kwh, prices.short_per_kwh))
    parts.append(_numbers(4, len(outcome.deliveries), len(outcome.accounts)))
    parts.extend(_delivery(delivery) for delivery in outcome.deliveries)
    parts.extend(_line(line) for line in outcome.accounts)
    return hashlib.sha256(b"".join(parts)).digest()


def _numbers(width: int, *numbers: int) -> bytes:
    return b"".join(number.to_bytes(width, "big", signed=True) for number in numbers)


def _delivery(delivery: Delivery) -> bytes:
    trade = delivery.trade
    energy = _numbers(_ENERGY_BYTES, trade.number, trade.energy_wh, trade.price_per_kwh, delivery.delivered_wh)
    return trade.buy_order + trade.sell_order + energy + _numbers(_MONEY_BYTES, delivery.fee_nano)


def _line(line: Line) -> bytes:
    energy = _numbers(_ENERGY_BYTES, line.injection_wh, line.withdrawal_wh, line.imbalance_wh, line.netted_wh)
    money = _numbers(_MONEY_BYTES, line.trade_money_nano, line.grid_fee_nano, line.imbalance_money_nano, line.missing)
    return line.account + energy + money


def _with_grid(imbalance: Imbalance, grid_account: bytes) -> tuple[Line, ...]:
    lines = {line.account: line for line in imbalance.lines}
    own = lines.get(grid_account) or Line(grid_account)
    money_nano = own.imbalance_money_nano + imbalance.grid_money_nano
    lines[grid_account] = replace(own, imbalance_money_nano=money_nano)
    return tuple(lines[account] for account in sorted(lines))
