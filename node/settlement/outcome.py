"""A slot's settlement as one value: computed by the node, and again by whoever audits it."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from contracts.settlement_batch import MAX_ENTRIES
from contracts.units import WH_PER_KWH
from node.settlement.delivery import Delivery, Metered, Trade, deliver
from node.settlement.difference import Before, difference
from node.settlement.imbalance import Imbalance, Line, Prices, settle_imbalance
from node.settlement.netting import Netting, adjustment_parts, net
from node.settlement.split import Chunks, chunks

NO_VOIDS: Final[Mapping[bytes, int]] = MappingProxyType({})
_ENERGY_BYTES = 8
_ENERGIES: Final = struct.Struct(">4q")
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
    chunks: Chunks = ()
    """The trades of each batch of the slot's first settlement."""
    uncovered: Mapping[bytes, int] = field(default_factory=dict)
    """Cash units of each account that earlier versions could not charge and that this one does not give back."""

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
    most_entries: int = MAX_ENTRIES
    """Of one batch."""
    before: Before | None = None
    """What the version before has settled; the first version has none."""
    together: tuple[int, ...] = ()
    """The zones that were cleared together under the name ``zone``, where they are more than that one."""
    _settled: dict[frozenset[tuple[bytes, int]], Outcome] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What was computed already: a batch is planned, judged and compared with what is stored by the same outcome."""

    @property
    def zones(self) -> list[int]:
        """All zones of the slot, ascending."""
        return sorted(self.together) or [self.zone]

    def settle(self, voids: Mapping[bytes, int] = NO_VOIDS) -> Outcome:
        """The settlement without what is void: orders, and the first batch that goes without each."""
        key = frozenset(voids.items())
        if key not in self._settled:
            self._settled[key] = settle(
                zone=self.zone,
                delivery_start=self.delivery_start,
                version=self.version,
                trades=self.trades,
                metered=self.metered,
                prices=self.prices,
                readings_root=self.readings_root,
                grid_account=self.grid_account,
                voids=voids,
                most_entries=self.most_entries,
                before=self.before,
            )
        return self._settled[key]


def settle(
    zone: int,
    delivery_start: int,
    version: int,
    trades: Sequence[Trade],
    metered: Mapping[bytes, Metered],
    prices: Prices,
    readings_root: bytes,
    grid_account: bytes,
    voids: Mapping[bytes, int] = NO_VOIDS,
    most_entries: int = MAX_ENTRIES,
    before: Before | None = None,
) -> Outcome:
    """The settlement of one slot. The same arguments always give the same value and the same hash."""
    batches = chunks(trades, voids, most_entries)
    deliveries = deliver([trade for chunk in batches for trade in chunk], metered)
    delivered = {delivery.trade.number: delivery for delivery in deliveries}
    imbalance = settle_imbalance(deliveries, metered, prices)
    ordered = [[delivered[number] for number in sorted(trade.number for trade in chunk)] for chunk in batches]
    outcome = Outcome(
        zone=zone,
        delivery_start=delivery_start,
        version=version,
        deliveries=deliveries,
        imbalance=imbalance,
        netting=net(ordered, imbalance, grid_account, most_entries),
        prices=prices,
        readings_root=readings_root,
        accounts=_with_grid(imbalance, grid_account),
        chunks=batches,
    )
    return outcome if before is None else _revised(outcome, before, grid_account, most_entries)


def _revised(outcome: Outcome, before: Before, grid_account: bytes, most_entries: int) -> Outcome:
    """The same outcome, of which only what differs from the version before is still to be settled."""
    change = difference(outcome.accounts, before)
    parts = adjustment_parts(change.money_nano, grid_account, most_entries)
    netting = replace(outcome.netting, parts=tuple(parts), is_difference=True)
    return replace(outcome, netting=netting, chunks=(), uncovered=change.uncovered)


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
    if outcome.netting.rent_nano:
        parts.extend(_numbers(_MONEY_BYTES, delivery.rent_nano) for delivery in outcome.deliveries)
    return hashlib.sha256(b"".join(parts)).digest()


def _numbers(width: int, *numbers: int) -> bytes:
    return b"".join(number.to_bytes(width, "big", signed=True) for number in numbers)


def _delivery(delivery: Delivery) -> bytes:
    trade = delivery.trade
    energy = _ENERGIES.pack(trade.number, trade.energy_wh, trade.price_per_kwh, delivery.delivered_wh)
    return trade.buy_order + trade.sell_order + energy + _numbers(_MONEY_BYTES, delivery.fee_nano)


def _line(line: Line) -> bytes:
    energy = _ENERGIES.pack(line.injection_wh, line.withdrawal_wh, line.imbalance_wh, line.netted_wh)
    money = _numbers(_MONEY_BYTES, line.trade_money_nano, line.grid_fee_nano, line.imbalance_money_nano, line.missing)
    return line.account + energy + money


def _with_grid(imbalance: Imbalance, grid_account: bytes) -> tuple[Line, ...]:
    lines = {line.account: line for line in imbalance.lines}
    own = lines.get(grid_account) or Line(grid_account)
    money_nano = own.imbalance_money_nano + imbalance.grid_money_nano
    lines[grid_account] = replace(own, imbalance_money_nano=money_nano)
    return tuple(lines[account] for account in sorted(lines))
