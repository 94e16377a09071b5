"""A slot's trades in as many batches as the exchange needs, each balanced in itself.

Every trade brings its buyer's and its seller's order into the batch that settles it. An order whose trades lie in
several batches is filled in parts. Trades go in their order of delivery: a batch that is on chain stays as it is when
an order of a later one falls out, because what is delivered first depends on nothing that comes after it.
"""

from collections.abc import Mapping, Sequence

from node.settlement.delivery import Trade

Chunks = tuple[tuple[Trade, ...], ...]


def chunks(trades: Sequence[Trade], voids: Mapping[bytes, int], most: int) -> Chunks:
    """The trades of each batch, as many as bring no more than ``most`` orders into it.

    ``voids`` names orders that fell out, and the first batch that goes without them: trades of theirs that no earlier
    batch has settled are void and in no chunk.

    Raises ValueError when ``most`` has no room for one trade.
    """
    if most < 2:
        raise ValueError(f"a trade has two orders, and {most} entries fit")
    left = sorted(trades, key=lambda trade: trade.service)
    out: list[tuple[Trade, ...]] = []
    start = 0
    while True:
        if len(out) in voids.values():
            left, start = [trade for trade in left[start:] if not _is_void(trade, voids, len(out))], 0
        if start == len(left):
            return tuple(out)
        end = _end(left, start, most)
        out.append(tuple(left[start:end]))
        start = end


def _is_void(trade: Trade, voids: Mapping[bytes, int], batch: int) -> bool:
    return any(voids.get(order, batch + 1) <= batch for order in (trade.buy_order, trade.sell_order))


def _end(trades: Sequence[Trade], start: int, most: int) -> int:
    orders: set[bytes] = set()
    for index in range(start, len(trades)):
        orders |= {trades[index].buy_order, trades[index].sell_order}
        if len(orders) > most:
            return index
    return len(trades)
