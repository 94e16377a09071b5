"""Random slots from trades and meters to the ledger: contract, plain model, both computations and auditor agree."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from contracts.settlement_batch import BUY, SELL, decode_imbalance_settled, decode_orders_settled
from contracts.typed_data import Order, order_digest, sign
from indexer.read import SettledImbalance, SettledOrder
from node.audit.ledger import imbalance_findings, order_findings
from node.settlement import columns
from node.settlement.batch import SignedOrder, build
from node.settlement.columns import MeterColumns, TradeColumns
from node.settlement.delivery import Metered, Trade
from node.settlement.imbalance import Prices, imbalance_prices
from node.settlement.netting import Adjustments, Part, adjusted, charge, owing
from node.settlement.outcome import Outcome, settle
from tests.contracts.duel import PEOPLE, Duel
from tests.contracts.world import CLEARED_UNTIL, OPERATOR, SLOT_S, ZONE, T

SLOTS = 100
DEEP_SLOTS = 5_000
A_DUEL = 500
"""Slots on one chain."""
TRADERS, GRID = PEOPLE[:3], PEOPLE[3].address
FEES = (0, 20_000, 31_337)
LANE = 1


class Season:
    """Slots one after the other on one chain."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.duel = Duel(self.random)
        self.settled = 0
        for index, who in enumerate(PEOPLE):
            self.duel.give_cash(who.address, 10**12)
            self.duel.set_mandate(index, 2**48 - 1, 2**50)

    def play(self, number: int) -> None:
        """One slot; raises AssertionError where two of them say different things."""
        start = T + SLOT_S * number
        self.duel.evm.warp(start + 2 * SLOT_S)
        trades, orders = self._traded(start, number)
        metered = self._metered()
        prices = imbalance_prices(self.random.choice((None, 150_000)), 60_000, 320_000)
        outcome = settle(ZONE, start, 0, trades, metered, prices, bytes(32), GRID)
        _compare_columns(outcome, trades, metered, prices)
        if not outcome.moves_anything:
            return
        (part,) = outcome.netting.parts
        adjustments = adjusted(part, charge(part, owing(part, GRID)), GRID)
        sequence = self.duel.model.state.next_sequence
        before = self.duel.model.state.fees
        data = build(sequence, start, 0, part.fills, adjustments, orders)
        assert self.duel.settle(OPERATOR, data) == ""
        self._audit(sequence, part, adjustments, orders)
        self.duel.compare()
        assert self.duel.model.state.fees - before == part.fee
        self.settled += 1

    def _traded(self, start: int, number: int) -> tuple[list[Trade], dict[bytes, SignedOrder]]:
        random = self.random
        price, sides = random.randint(-50_000, 300_000), [random.choice((BUY, SELL)) for _ in TRADERS]
        sellers = [who for who, side in zip(TRADERS, sides, strict=True) if side == SELL]
        buyers = [who for who, side in zip(TRADERS, sides, strict=True) if side == BUY]
        pairs = [(buyer, seller, random.randint(1, 3_000)) for buyer in buyers for seller in sellers]
        orders, digests = {}, {}
        for who, side in zip(TRADERS, sides, strict=True):
            energy_wh = sum(wh for buyer, seller, wh in pairs if who in (buyer, seller))
            limit = price + 200_000 if side == BUY else price
            order = Order(
                who.address, ZONE, start, side, energy_wh, limit, 0, 0, 0, CLEARED_UNTIL, LANE, 10 * (number + 1)
            )
            digest = order_digest(self.duel.world.domain, order)
            orders[digest], digests[who.address] = SignedOrder(order, sign(digest, who.key)), digest
        trades = [
            Trade(
                number=at,
                buy_order=digests[buyer.address],
                sell_order=digests[seller.address],
                buyer=buyer.address,
                seller=seller.address,
                energy_wh=wh,
                price_per_kwh=price,
                fee_per_kwh=random.choice(FEES),
                rent_per_kwh=random.choice((0, 0, 5_003)),
            )
            for at, (buyer, seller, wh) in enumerate(pairs)
        ]
        return trades, orders

    def _metered(self) -> dict[bytes, Metered]:
        random = self.random
        return {
            who.address: Metered(random.randint(0, 4_000), random.randint(0, 4_000), random.random() < 0.1)
            for who in TRADERS
            if random.random() < 0.95
        }

    def _audit(self, sequence: int, part: Part, adjustments: Adjustments, orders: dict[bytes, SignedOrder]) -> None:
        """What the contract said of the batch is what the auditor expects, and nothing else."""
        fills, moved = self._told(sequence)
        assert order_findings([(sequence, part.fills)], orders, fills) == []
        assert imbalance_findings([(sequence, adjustments)], moved, {sequence}) == []
        if part.fills:
            assert order_findings([(sequence, part.fills[1:])], orders, fills) != []

    def _told(self, sequence: int) -> tuple[list[SettledOrder], list[SettledImbalance]]:
        """The entries of OrdersSettled, and of ImbalanceSettled where there is one."""
        logs = [data for _, _, data in self.duel.evm.logs()]
        packed = [_last_bytes(data, words) for data, words in zip(logs, (3, 2), strict=False)]
        fills = [
            SettledOrder(
                sequence, 0, 0, entry.trader, entry.side, entry.zone, entry.lane, entry.nonce,
                entry.fill_wh, entry.money, entry.delivered_wh, 0, b"",
            )
            for entry in decode_orders_settled(packed[0])
        ]  # fmt: skip
        entries = decode_imbalance_settled(packed[1]) if len(packed) > 1 else []
        moved = [SettledImbalance(sequence, 0, 0, entry.account, entry.money, 0, b"") for entry in entries]
        return fills, moved


def _last_bytes(data: bytes, words: int) -> bytes:
    """The last of so many parameters: ABI has its offset in the last word of the head."""
    offset = int.from_bytes(data[32 * (words - 1) : 32 * words], "big")
    length = int.from_bytes(data[offset : offset + 32], "big")
    return data[offset + 32 : offset + 32 + length]


def _compare_columns(outcome: Outcome, trades: Sequence[Trade], metered: dict[bytes, Metered], prices: Prices) -> None:
    names = sorted(who.address for who in TRADERS)
    rows = [
        (
            names.index(trade.buyer), names.index(trade.seller), names.index(trade.buyer), names.index(trade.seller),
            trade.energy_wh, trade.price_per_kwh, trade.fee_per_kwh, trade.rent_per_kwh,
        )
        for trade in trades
    ]  # fmt: skip
    meters = [metered.get(name, Metered(0, 0)) for name in names]
    seen = MeterColumns(
        np.array([meter.injection_wh for meter in meters]),
        np.array([meter.withdrawal_wh for meter in meters]),
        np.array([meter.missing for meter in meters]),
    )
    found = columns.settle(TradeColumns(*np.array(rows, dtype=np.int64).reshape(-1, 8).T), seen, prices)
    assert found.delivered_wh.tolist() == [item.delivered_wh for item in outcome.deliveries]
    money = dict(zip(names, found.money_nano.tolist(), strict=True))
    for line in outcome.imbalance.lines:
        assert money[line.account] == (
            line.trade_money_nano - line.grid_fee_nano - line.rent_nano + line.imbalance_money_nano
        )


@pytest.mark.timeout(3_600)
def test_slots__any_trades_and_meters__contract_models_and_audit_agree(times: int) -> None:
    slots = SLOTS if times == 1 else DEEP_SLOTS
    settled = 0
    for seed, first in enumerate(range(0, slots, A_DUEL)):
        season = Season(seed)
        for number in range(min(A_DUEL, slots - first)):
            try:
                season.play(number)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, slot {number}: {error}") from error
        season.duel.compare_tokens()
        settled += season.settled
    assert settled > slots * 3 // 4
