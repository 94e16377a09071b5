"""8: the exchange's bytecode against the plain model, over random and attacked batches: verdict, events and state."""

from collections import Counter
from random import Random

import pytest

from contracts.settlement_batch import BUY
from contracts.typed_data import Order
from tests.contracts.attacks import Attacker
from tests.contracts.batches import Plan
from tests.contracts.duel import PEOPLE, Duel
from tests.contracts.model.layout import AdjustmentEntry, OrderEntry
from tests.contracts.world import OPERATOR, STRANGER, ZONE, T

BATCHES = 1000
SEEDS = (1, 2, 3, 4, 5)

ERRORS = {
    "BadBatchLength",
    "BadDeliveryStart",
    "BadSide",
    "BadSignature",
    "BalanceTooLarge",
    "BookNotInForce",
    "EnergyNotConserved",
    "FeeOutOfRange",
    "FillsMiscounted",
    "InsufficientCash",
    "InsufficientEnergy",
    "IsPaused",
    "MandateExceeded",
    "MandateExpired",
    "MandateVoid",
    "NotCleared",
    "NotInBook",
    "NotSettler",
    "OrderExpired",
    "OrderVoid",
    "OtherSide",
    "OverDelivered",
    "OverFilled",
    "SlotPassed",
    "TooManyEntries",
    "UnknownBook",
    "EmptySection",
    "WorseThanLimit",
    "WrongSequence",
}
"""Every error that a batch can meet."""


@pytest.mark.timeout(3_600)
def test_08_settle__random_and_mutated_batches__same_verdict_and_state(times: int) -> None:
    verdicts: Counter[str] = Counter()
    for part in range(times):
        for seed in SEEDS:
            verdicts += play(1000 * part + seed, BATCHES)
    assert verdicts[""] >= times * len(SEEDS) * BATCHES // 8, verdicts
    assert verdicts.keys() - {""} == ERRORS


def play(seed: int, batches: int) -> Counter[str]:
    """How often each verdict came; an empty one for what was settled."""
    duel = Duel(Random(seed))
    attacker = Attacker(duel.operator)
    verdicts: Counter[str] = Counter()
    for number in range(batches):
        duel.live()
        paused = number % 50 == 49
        if paused:
            duel.pause(True)
        kind, packed = attacker.batch(duel.model.state.next_sequence)
        try:
            verdicts[duel.settle(STRANGER if number % 100 == 98 else OPERATOR, packed)] += 1
            duel.compare()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, batch {number}, {kind}: {error}\n0x{packed.hex()}") from error
        if paused:
            duel.pause(False)
    duel.compare_tokens()
    return verdicts


def test_05_settle__paid_out_by_a_fill_of_nothing_and_charged_elsewhere__fee_stays_capped() -> None:
    """A buyer of nothing may be paid; what others are charged then must not become a fee without a cap."""
    duel = Duel(Random(0))
    buyer, charged = PEOPLE[0], PEOPLE[1]
    order = Order(buyer.address, ZONE, T, BUY, 0, 0, 0, 0, 0, T, 1, 1)
    paid_out = OrderEntry(order, 0, -1, 0, *duel.operator.signed(order))
    charge = AdjustmentEntry(charged.address, -2000)
    assert duel.settle(OPERATOR, Plan(0, T, 0, (paid_out,), (), (charge,)).packed()) == "FeeOutOfRange"
    assert duel.settle(OPERATOR, Plan(0, T, 0, (paid_out,), (), (AdjustmentEntry(charged.address, -3),)).packed()) == ""
    duel.compare()
