"""A settlement as the one batch that the exchange settles, in an order that follows from the settlement alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.settlement_batch import Adjustment, Fill, encode_batch
from contracts.typed_data import Order
from node.settlement.netting import OrderFill


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order as its trader signed it."""

    order: Order
    signature: bytes


def build(
    sequence: int,
    delivery_start: int,
    version: int,
    fills: Iterable[OrderFill],
    adjustments: Iterable[tuple[bytes, int]],
    orders: Mapping[bytes, SignedOrder],
) -> bytes:
    """The packed batch: fills as netted (sellers, then buyers), adjustments by account.

    Raises:
        KeyError: a filled order is not among ``orders``.
        BadBatch: more entries than one transaction settles, or one that does not fit its field.
    """
    entries = [
        Fill(
            order=orders[fill.order].order,
            signature=orders[fill.order].signature,
            fill_wh=fill.fill_wh,
            money=fill.money,
            delivered_wh=fill.delivered_wh,
        )
        for fill in fills
    ]
    moved = [Adjustment(account=account, money=money) for account, money in adjustments]
    return encode_batch(sequence, delivery_start, version, entries, moved)
