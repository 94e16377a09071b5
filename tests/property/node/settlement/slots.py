"""Random slots: trades between a few accounts that share orders, and meters that agree with them or not."""

from dataclasses import dataclass

from hypothesis import strategies as st

from node.settlement.delivery import Metered, Trade
from node.settlement.imbalance import Prices, imbalance_prices

ACCOUNTS = tuple(bytes([n]) * 20 for n in range(1, 8))
GRID = b"\xee" * 20


@dataclass(frozen=True)
class Slot:
    trades: tuple[Trade, ...]
    metered: dict[bytes, Metered]
    prices: Prices


def order(account: bytes, side: int, lane: int) -> bytes:
    return bytes([account[0], side, lane]) + bytes(29)


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    price = draw(st.integers(-400_000, 2_000_000))
    accounts = st.sampled_from(ACCOUNTS)
    pairs = draw(
        st.lists(st.tuples(accounts, accounts, st.integers(1, 9_999), st.integers(0, 2), st.integers(0, 2)), max_size=9)
    )
    trades = tuple(
        Trade(
            number=number,
            buy_order=order(buyer, 0, buy_lane),
            sell_order=order(seller, 1, sell_lane),
            buyer=buyer,
            seller=seller,
            energy_wh=energy_wh,
            price_per_kwh=price + draw(st.sampled_from((0, 0, 0, 7, -1_001))),
            fee_per_kwh=draw(st.sampled_from((0, 20_000, 31_337))),
            rent_per_kwh=draw(st.sampled_from((0, 0, 0, 5_003))),
        )
        for number, (buyer, seller, energy_wh, buy_lane, sell_lane) in enumerate(pairs)
    )
    energy = st.integers(0, 20_000)
    metered = draw(st.dictionaries(accounts, st.builds(Metered, energy, energy, st.sampled_from((False, False, True)))))
    long = draw(st.integers(-300_000, 300_000))
    short = long + draw(st.integers(0, 600_000))
    return Slot(trades, metered, imbalance_prices(draw(st.none() | st.just(price)), long, short))
