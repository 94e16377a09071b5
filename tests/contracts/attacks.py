"""Batches as an attacker would send them: one thing is wrong, in what is said or in the bytes."""

from collections.abc import Callable
from dataclasses import replace

from contracts import typed_data
from contracts.settlement_batch import BUY
from contracts.units import cash_down, cash_up
from tests.contracts.batches import Operator, Plan, Section, resigned, with_order
from tests.contracts.model import layout
from tests.contracts.model.layout import AdjustmentEntry
from tests.contracts.world import SLOT_S, T

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
OUTLAWS = (b"\x01" * 32, b"\x02" * 32)
END_PRICES = (0, 1, -1, 2**47 - 1, -(2**47))
END_ENERGIES = (0, 1, 2**31 - 1, 2**31, 2**47, 2**48 - 1)
COUNTS_AT = layout.HEADER_BYTES - 8


class Attacker:
    """Takes the operator's batches and sends something else."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.random = operator.random
        self._sent: list[bytes] = []

    def batch(self, sequence: int) -> tuple[str, bytes]:
        """What was done to a batch, and its bytes; every third is as it should be."""
        plan = self.operator.plan(sequence)
        kind, packed = "as it should be", plan.packed()
        spoil = self.random.choice((None, self._in_words, self._in_bytes))
        if spoil is not None:
            kind, packed = spoil(plan)
        self._sent = [*self._sent, packed][-16:]
        return kind, packed

    # IN WORDS: PROPERLY PACKED, AND SIGNED WHERE IT CAN BE

    def _in_words(self, plan: Plan) -> tuple[str, bytes]:
        whole: list[Callable[[Plan], Plan]] = [self._other_sequence, self._other_slot, self._doubled, self._charged]
        orders = [self._other_fill, self._other_money, self._other_delivery, self._at_limit, self._old_order]
        orders += [self._signed_by_another, self._other_terms, self._outlaw, self._unfit, self._unfit, self._stretched]
        books = [self._other_book, self._other_index, self._other_side, self._mandate_money, self._mandate_fill]
        choices = [*whole, *orders * (1 if plan.orders else 0), *books * (2 if plan.sections else 0)]
        spoil = self.random.choice(choices)
        try:
            return spoil.__name__.strip("_"), spoil(plan).packed()
        except OverflowError:
            return "as it should be", plan.packed()  # the attack has no packed form

    def _other_sequence(self, plan: Plan) -> Plan:
        others = (max(0, plan.sequence - 1), plan.sequence + 1, 2**64 - 1, 0)
        return replace(plan, sequence=self.random.choice(others))

    def _other_slot(self, plan: Plan) -> Plan:
        starts = (plan.delivery_start + 1, T + 10**6 * SLOT_S, 0, T - SLOT_S, SLOT_S, 2**32, 2**64 - 1)
        start = self.random.choice(starts)
        moved = replace(plan, delivery_start=start)
        for index, entry in enumerate(plan.orders if self.random.random() < 0.5 else ()):
            moved = resigned(self.operator, moved, index, replace(entry.order, delivery_start=start))
        return moved

    def _doubled(self, plan: Plan) -> Plan:
        if self.random.random() < 0.1:
            return replace(plan, adjustments=(AdjustmentEntry(bytes(20), 0),) * 400)
        parts = {"orders": plan.orders, "sections": plan.sections, "adjustments": plan.adjustments}
        part = self.random.choice(tuple(parts))
        return replace(plan, **{part: parts[part] * 2})  # type: ignore[arg-type]

    def _charged(self, plan: Plan) -> Plan:
        money = self.random.choice((-(2**63), -10_000, -2001, 2**63 - 1, -1))
        account = self.random.choice((*(who.address for who in self.operator.people), bytes(20)))
        return replace(plan, adjustments=(*plan.adjustments, AdjustmentEntry(account, money)))

    def _pick(self, plan: Plan) -> int:
        return self.random.randrange(len(plan.orders))

    def _other_fill(self, plan: Plan) -> Plan:
        index = self._pick(plan)
        return with_order(plan, index, fill_wh=plan.orders[index].fill_wh + self.random.choice((1, 500, 2**41)))

    def _other_money(self, plan: Plan) -> Plan:
        index = self._pick(plan)
        change = self.random.choice((-1, 1, 2, 1000, -1000, 2**62, -(2**62)))
        return with_order(plan, index, money=plan.orders[index].money + change)

    def _other_delivery(self, plan: Plan) -> Plan:
        index = self._pick(plan)
        delivered_wh = self.random.choice((0, plan.orders[index].fill_wh + 1, 2**48 - 1))
        return with_order(plan, index, delivered_wh=delivered_wh)

    def _at_limit(self, plan: Plan) -> Plan:
        """Just at or just beyond the limit."""
        index = self._pick(plan)
        entry = plan.orders[index]
        worth = entry.order.limit_price_per_kwh * entry.fill_wh
        money = cash_up(worth) if entry.order.side == BUY else cash_down(worth)
        return with_order(plan, index, money=money + self.random.choice((-1, 0, 1)))

    def _old_order(self, plan: Plan) -> Plan:
        old = self.random.choice(self.operator.earlier)
        order = replace(old.order, delivery_start=plan.delivery_start)  # the signature may be for another slot
        return with_order(plan, self._pick(plan), order=order, r=old.r, vs=old.vs)

    def _signed_by_another(self, plan: Plan) -> Plan:
        index, other = self._pick(plan), plan.orders[self._pick(plan)]
        if self.random.random() < 0.5:
            return with_order(plan, index, r=other.r, vs=other.vs)
        return resigned(
            self.operator, plan, index, plan.orders[index].order, self.random.choice(self.operator.people).key
        )

    def _other_terms(self, plan: Plan) -> Plan:
        """A field changed after signing."""
        index = self._pick(plan)
        order = plan.orders[index].order
        field = self.random.choice(("zone", "energy_wh", "min_fill_wh", "expiry", "lane", "nonce", "source"))
        return with_order(plan, index, order=replace(order, **{field: getattr(order, field) ^ 1}))

    def _outlaw(self, plan: Plan) -> Plan:
        """Signed by who was never cleared, or by nobody."""
        index, key = self._pick(plan), self.random.choice(OUTLAWS)
        trader = self.random.choice((typed_data.address_of(key), bytes(20)))
        return resigned(self.operator, plan, index, replace(plan.orders[index].order, trader=trader), key)

    def _unfit(self, plan: Plan) -> Plan:
        """Signed as it stands, but not to be filled."""
        index = self._pick(plan)
        order = plan.orders[index].order
        changes = (
            {"expiry": max(0, min(order.delivery_start - 1, 2**32 - 1))},
            {"side": self.random.choice((2, 3, 255))},
            {"side": 1 - order.side},
            {"nonce": self.random.choice((0, 1, 2**48 - 1))},
            {"energy_wh": max(0, plan.orders[index].fill_wh - 1)},
            {"lane": 0},
        )
        return resigned(self.operator, plan, index, replace(order, **self.random.choice(changes)))

    def _stretched(self, plan: Plan) -> Plan:
        """Values at the ends of their fields, signed."""
        index = self._pick(plan)
        fill_wh, price = self.random.choice(END_ENERGIES), self.random.choice(END_PRICES)
        order = replace(plan.orders[index].order, energy_wh=fill_wh, limit_price_per_kwh=price)
        money = cash_up(price * fill_wh) if order.side == BUY else cash_down(price * fill_wh)
        money = min(max(money, -(2**63)), 2**63 - 1)
        changed = with_order(plan, index, fill_wh=fill_wh, money=money, delivered_wh=self.random.choice((0, fill_wh)))
        return resigned(self.operator, changed, index, order)

    # MANDATES

    def _section(self, plan: Plan, **changes: object) -> Plan:
        at = self.random.randrange(len(plan.sections))
        sections = list(plan.sections)
        sections[at] = replace(sections[at], **changes)  # type: ignore[arg-type]
        return replace(plan, sections=tuple(sections))

    def _mandate_fill_with(self, plan: Plan, **changes: object) -> Plan:
        at = self.random.randrange(len(plan.sections))
        fills = list(plan.sections[at].fills)
        one = self.random.randrange(len(fills))
        fills[one] = replace(fills[one], **changes)  # type: ignore[arg-type]
        section = Section(plan.sections[at].book, tuple(fills))
        return replace(plan, sections=(*plan.sections[:at], section, *plan.sections[at + 1 :]))

    def _other_book(self, plan: Plan) -> Plan:
        books = (0, len(self.operator.books) + 1, 2**32 - 1, self.random.randint(1, len(self.operator.books)))
        return self._section(plan, book=self.random.choice(books))

    def _other_index(self, plan: Plan) -> Plan:
        return self._mandate_fill_with(plan, index=self.random.choice((0, 1, 5, 6, 32_767)))

    def _other_side(self, plan: Plan) -> Plan:
        return self._mandate_fill_with(plan, side=self.random.choice((0, 1)))

    def _mandate_money(self, plan: Plan) -> Plan:
        return self._mandate_fill_with(plan, money=self.random.choice((0, -1, 10_000_000, 2**47 - 1, -(2**47))))

    def _mandate_fill(self, plan: Plan) -> Plan:
        fill_wh = self.random.choice((0, 3001, 10_001, 2**31, 2**32 - 1))
        return self._mandate_fill_with(plan, fill_wh=fill_wh, delivered_wh=self.random.choice((0, 1, fill_wh)))

    # IN BYTES

    def _in_bytes(self, plan: Plan) -> tuple[str, bytes]:
        packed = plan.packed()
        spoils = [self._bit_flipped, self._bit_flipped, self._byte_set, self._cut, self._appended, self._counted]
        spoils += [self._too_many, self._replayed]
        if plan.orders:
            spoils += [self._swapped_signatures, self._twin_signature, self._broken_signature]
        spoil = self.random.choice(spoils)
        return spoil.__name__.strip("_"), spoil(packed)

    def _bit_flipped(self, packed: bytes) -> bytes:
        at, bit = self.random.randrange(len(packed)), self.random.randrange(8)
        return packed[:at] + bytes([packed[at] ^ 1 << bit]) + packed[at + 1 :]

    def _byte_set(self, packed: bytes) -> bytes:
        at = self.random.randrange(len(packed))
        return packed[:at] + self.random.choice((b"\x00", b"\x7f", b"\x80", b"\xff")) + packed[at + 1 :]

    def _cut(self, packed: bytes) -> bytes:
        return packed[: self.random.randrange(len(packed))]

    def _appended(self, packed: bytes) -> bytes:
        lengths = (1, layout.ADJUSTMENT_BYTES, layout.ORDER_BYTES, layout.FILL_BYTES, layout.BOOK_BYTES)
        return packed + self.random.randbytes(self.random.choice(lengths))

    def _counted(self, packed: bytes) -> bytes:
        """Other counts in the header, now and then with the length that goes with them."""
        counts = list(packed[COUNTS_AT : layout.HEADER_BYTES])
        counts[self.random.randrange(8)] = self.random.choice((0, 1, 2, 255))
        changed = packed[:COUNTS_AT] + bytes(counts) + packed[layout.HEADER_BYTES :]
        needed = layout.read_header(layout.Reader(changed)).batch_bytes
        if self.random.random() < 0.3 or needed > 100_000:
            return changed
        return changed[:needed].ljust(needed, b"\0")

    def _too_many(self, packed: bytes) -> bytes:
        return packed[:COUNTS_AT] + b"\0\0\0\0\0\0\x01\x91" + bytes(401 * layout.ADJUSTMENT_BYTES)

    def _replayed(self, packed: bytes) -> bytes:
        return self.random.choice(self._sent) if self._sent else packed

    def _swapped_signatures(self, packed: bytes) -> bytes:
        first, second = self._signature_at(packed), self._signature_at(packed)
        one, other = packed[first : first + 64], packed[second : second + 64]
        swapped = packed[:first] + other + packed[first + 64 :]
        return swapped[:second] + one + swapped[second + 64 :]

    def _twin_signature(self, packed: bytes) -> bytes:
        """The other s of the same signature, as far as the compact form can say it."""
        at = self._signature_at(packed)
        vs = int.from_bytes(packed[at + 32 : at + 64], "big")
        s = CURVE_ORDER - (vs & (1 << 255) - 1)
        twin = (s & (1 << 255) - 1) | ((vs >> 255) ^ 1) << 255
        return packed[: at + 32] + twin.to_bytes(32, "big") + packed[at + 64 :]

    def _broken_signature(self, packed: bytes) -> bytes:
        words = (0, 1, CURVE_ORDER, CURVE_ORDER // 2, CURVE_ORDER // 2 + 1, 2**256 - 1)
        at = self._signature_at(packed) + self.random.choice((0, 32))
        return packed[:at] + self.random.choice(words).to_bytes(32, "big") + packed[at + 32 :]

    def _signature_at(self, packed: bytes) -> int:
        index = self.random.randrange(layout.read_header(layout.Reader(packed)).orders)
        return layout.HEADER_BYTES + layout.ORDER_BYTES * (index + 1) - layout.SIGNATURE_BYTES
