"""The packed batch is written twice, here and in contracts.settlement_batch: both give the same bytes."""

from random import Random

from contracts import settlement_batch
from contracts.settlement_batch import Adjustment, BookFills, Fill, encode_batch, encode_mandates
from scripts.bench.evm import Revm
from tests.contracts.batches import Operator, Plan
from tests.contracts.duel import PEOPLE, Duel
from tests.contracts.model import layout
from tests.contracts.model.layout import OrderEntry
from tests.contracts.world import NOW_S, T, World

PLANS = 200


def test_encode_batch__random_batches__equal_the_second_writing() -> None:
    duel = Duel(Random(1))
    duel.register(T)
    packed = [encoded(plan) == plan.packed() for plan in map(duel.operator.plan, range(PLANS))]
    assert packed == [True] * PLANS


def test_encode_mandates__random_mandates__equal_the_second_writing() -> None:
    operator = Operator(Random(2), PEOPLE, (), World(Revm(NOW_S)).domain)
    for _ in range(50):
        mandates = operator.new_mandates(T)
        assert encode_mandates(mandates) == b"".join(map(layout.write_mandate, mandates))


def encoded(plan: Plan) -> bytes:
    books = [
        BookFills(
            section.book,
            tuple(
                settlement_batch.MandateFill(fill.index, fill.side, fill.fill_wh, fill.money, fill.delivered_wh)
                for fill in section.fills
            ),
        )
        for section in plan.sections
    ]
    fills = [
        Fill(entry.order, signature(entry), entry.fill_wh, entry.money, entry.delivered_wh) for entry in plan.orders
    ]
    adjustments = [Adjustment(entry.account, entry.money) for entry in plan.adjustments]
    return encode_batch(plan.sequence, plan.delivery_start, plan.version, fills, adjustments, books)


def signature(entry: OrderEntry) -> bytes:
    s = entry.vs & (1 << 255) - 1
    return entry.r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + (entry.vs >> 255)])
