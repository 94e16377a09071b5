"""Random batches: what an operator would send."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from contracts import typed_data
from contracts.settlement_batch import BUY, SELL
from contracts.typed_data import Domain, Order, TradingMandate
from contracts.units import cash_down, cash_up
from tests.contracts.model import layout
from tests.contracts.model.layout import AdjustmentEntry, MandateFill, OrderEntry
from tests.contracts.world import SLOT_S, ZONE, Person, T

LANES = (0, 1, 65_535)
PRICES = (0, 1, -1, 999, 1000, 1001, 280_123, -50_001)
ENERGIES = (0, 1, 999, 1000, 1237)


@dataclass(frozen=True)
class Section:
    """What a batch fills out of one book."""

    book: int
    fills: tuple[MandateFill, ...]


@dataclass(frozen=True)
class Plan:
    """A batch before it is packed."""

    sequence: int
    delivery_start: int
    version: int
    orders: tuple[OrderEntry, ...]
    sections: tuple[Section, ...]
    adjustments: tuple[AdjustmentEntry, ...]

    @property
    def header(self) -> layout.Header:
        counts = (len(self.orders), len(self.sections), self.fills, len(self.adjustments))
        return layout.Header(self.sequence, self.delivery_start, self.version, *counts)

    @property
    def fills(self) -> int:
        return sum(len(section.fills) for section in self.sections)

    def packed(self) -> bytes:
        return b"".join(
            (
                layout.write_header(self.header),
                *map(layout.write_order, self.orders),
                *(layout.write_book(section.book, section.fills) for section in self.sections),
                *map(layout.write_adjustment, self.adjustments),
            )
        )


class Operator:
    """Makes batches for a few people out of one source of randomness, and signs for them."""

    def __init__(self, random: Random, people: Sequence[Person], whales: Sequence[Person], domain: Domain) -> None:
        self.random = random
        self.people = (*people, *whales)
        self._charged = tuple(people)
        self.books: list[tuple[TradingMandate, ...]] = []
        self.earlier: list[OrderEntry] = []
        """The latest orders that were sent."""
        self._keys = {who.address: who.key for who in self.people}
        self._domain = domain
        self.nonce = 1

    def signed(self, order: Order, key: bytes | None = None) -> tuple[int, int]:
        """r and vs (EIP-2098)."""
        digest = typed_data.order_digest(self._domain, order)
        return compact(typed_data.sign(digest, key or self._keys.get(order.trader, self.people[0].key)))

    def plan(self, sequence: int) -> Plan:
        """A batch that settles unless somebody is short of something, or takes back what he said."""
        random = self.random
        start = T + SLOT_S * (1 + sequence // 6 - (random.random() < 0.1))
        orders: list[OrderEntry] = []
        fills: dict[int, list[MandateFill]] = {}
        for _ in range(random.randrange(5)):
            self._pair(start, orders, fills)
        if random.random() < 0.9:
            orders.sort(key=lambda entry: -entry.order.side)  # sellers first
        sections = [Section(book, tuple(sorted(some, key=lambda fill: -fill.side))) for book, some in fills.items()]
        adjustments = [entry for _ in range(random.randrange(3)) for entry in self._transfer()]
        plan = Plan(sequence, start, random.randrange(3), tuple(orders), tuple(sections), tuple(adjustments))
        self.earlier = (self.earlier + list(plan.orders))[-64:]
        return plan

    def new_mandates(self, valid_from: int) -> tuple[TradingMandate, ...]:
        """Terms for a book, which are in force together."""
        random = self.random
        expiry = valid_from + SLOT_S * random.choice((2, 20, 1000))
        return tuple(
            TradingMandate(
                account=random.choice(self.people).address,
                zone=ZONE,
                max_buy_price_per_kwh=random.choice((500_000, 300_000, 2**47 - 1, -(2**47))),
                min_sell_price_per_kwh=random.choice((-60_000, 100_000, -(2**47), 2**47 - 1)),
                max_wh_per_slot=random.choice((3000, 20_000, 2**31 - 1)),
                valid_from=valid_from - random.choice((0, 1, 10 * SLOT_S)),
                expiry=expiry + random.choice((0, 1, SLOT_S)),
                nonce=self.nonce + random.choice((0, 10, 1000)),
            )
            for _ in range(random.randrange(1, 7))
        )

    def sign_mandates(self, mandates: Sequence[TradingMandate]) -> bytes:
        """64 bytes for each."""
        signatures = b""
        for mandate in mandates:
            digest = typed_data.trading_mandate_digest(self._domain, mandate)
            r, vs = compact(typed_data.sign(digest, self._keys[mandate.account]))
            signatures += r.to_bytes(32, "big") + vs.to_bytes(32, "big")
        return signatures

    def _pair(self, start: int, orders: list[OrderEntry], fills: dict[int, list[MandateFill]]) -> None:
        """A buyer and a seller at one price with a fee between them, each by an order or by a mandate."""
        random = self.random
        fill_wh = random.choice((*ENERGIES, random.randrange(3000)))
        delivered_wh = random.choice((fill_wh, random.randint(0, fill_wh)))
        price = random.choice((*PRICES, random.randrange(-50_000, 400_000)))
        fee = random.choice((0, 7, random.randrange(30_000), 999_999))
        for side, each in ((SELL, price), (BUY, price + fee)):
            money = cash_up(each * fill_wh) if side == BUY else cash_down(each * fill_wh)
            found = self._mandate(start, side, each) if random.random() < 0.4 else None
            if found is not None:
                book, index = found
                fills.setdefault(book, []).append(MandateFill(side, index, fill_wh, money, delivered_wh))
                continue
            slack = random.choice((0, 1, random.randrange(9_000)))
            order = self._order(start, side, fill_wh, each + (slack if side == BUY else -slack))
            orders.append(OrderEntry(order, fill_wh, money, delivered_wh, *self.signed(order)))

    def _mandate(self, start: int, side: int, price: int) -> tuple[int, int] | None:
        """Book and index of one that allows it, from the latest books."""
        sellers = self._sellers(start)
        for book in range(len(self.books), max(0, len(self.books) - 4), -1):
            mandates = self.books[book - 1]
            in_force = all(mandate.valid_from <= start <= mandate.expiry for mandate in mandates)
            for index, mandate in enumerate(mandates):
                limit = mandate.max_buy_price_per_kwh if side == BUY else mandate.min_sell_price_per_kwh
                fits = price <= limit if side == BUY else price >= limit
                one_way = (mandate.account in sellers) == (side == SELL)
                if in_force and fits and one_way and self.random.random() < 0.5:
                    return book, index
        return None

    def _sellers(self, start: int) -> set[bytes]:
        """Who sells in a slot, so that lane 0 mostly goes one way."""
        turn = start // SLOT_S
        return {who.address for at, who in enumerate(self.people) if (at + turn) % 2}

    def _order(self, start: int, side: int, fill_wh: int, limit: int) -> Order:
        random = self.random
        for entry in self.earlier if random.random() < 0.15 else ():
            order = entry.order
            if (order.delivery_start, order.side) == (start, side) and order.energy_wh >= fill_wh:
                return order  # filled further
        self.nonce += random.choice((0, 1, 1, 1, 5))
        lane = random.choice(LANES)
        sellers = self._sellers(start)
        ready = [who.address for who in self.people if (who.address in sellers) == (side == SELL)]
        anybody = lane != 0 or random.random() < 0.05
        return Order(
            trader=random.choice([who.address for who in self.people] if anybody else ready),
            zone=random.choice((ZONE, ZONE, 0, 2**32 - 1)),
            delivery_start=start,
            side=side,
            energy_wh=fill_wh + random.choice((20_000, 2**40, random.randrange(9000)) if lane == 0 else (0, 1, 3000)),
            limit_price_per_kwh=limit,
            min_fill_wh=random.randrange(2**48),
            time_in_force=random.randrange(4),
            source=random.randrange(5),
            expiry=start + random.choice((0, 1, SLOT_S)),
            lane=lane,
            nonce=self.nonce,
        )

    def _transfer(self) -> tuple[AdjustmentEntry, AdjustmentEntry]:
        money = self.random.choice((0, 1, 100, self.random.randrange(2500)))
        dust = self.random.choice((0, 0, 1))
        return (
            AdjustmentEntry(self.random.choice(self._charged).address, -money),
            AdjustmentEntry(self.random.choice(self.people).address, max(0, money - dust)),
        )


def compact(signature: bytes) -> tuple[int, int]:
    """r and vs of r, s, v."""
    s = int.from_bytes(signature[32:64], "big")
    return int.from_bytes(signature[:32], "big"), s | (signature[64] - 27) << 255


def resigned(operator: Operator, plan: Plan, index: int, order: Order, key: bytes | None = None) -> Plan:
    """The plan with this order at ``index``, signed as it stands."""
    r, vs = operator.signed(order, key)
    return with_order(plan, index, order=order, r=r, vs=vs)


def with_order(plan: Plan, index: int, **changes: object) -> Plan:
    orders = list(plan.orders)
    orders[index] = replace(orders[index], **changes)  # type: ignore[arg-type]
    return replace(plan, orders=tuple(orders))
