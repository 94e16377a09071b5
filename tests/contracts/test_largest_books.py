"""Invariant 17 where a batch names a book for every fill: on anvil, with cold storage and the real limit of gas."""

from contracts import typed_data
from contracts.abi import encode_call
from contracts.typed_data import TradingMandate
from scripts.bench.evm import Anvil, anvil
from tests.contracts.batches import Plan, Section, compact
from tests.contracts.model import layout
from tests.contracts.model.layout import MandateFill
from tests.contracts.world import NOW_S, OPERATOR, STRANGER, ZONE, T, World, person

MOST = 400


def test_17_settle__a_section_of_a_full_book_for_every_fill__fits_a_transaction() -> None:
    with anvil(NOW_S) as chain:
        world = World(chain)
        owner = person("owner")
        world.clear(owner.address)
        mandate = TradingMandate(owner.address, ZONE, 2**40, -(2**40), 2**31 - 1, 0, 2**32 - 1, 7)
        r, vs = compact(typed_data.sign(typed_data.trading_mandate_digest(world.domain, mandate), owner.key))
        signatures = (r.to_bytes(32, "big") + vs.to_bytes(32, "big")) * MOST
        exchange = world.at["SettlementExchange"]
        register = encode_call(
            "SettlementExchange", "registerMandates", layout.write_mandate(mandate) * MOST, signatures
        )
        assert chain.transact(STRANGER, exchange, register).ok
        fills = tuple(Section(1, (MandateFill(0, index, 0, 0, 0),)) for index in range(MOST))
        plan = Plan(0, T, 0, (), fills, ())
        outcome = chain.transact(OPERATOR, exchange, encode_call("SettlementExchange", "settleBatch", plan.packed()))
        assert outcome.ok, outcome.revert
        # What books and accounts that are all different would cost more: cold code and a cold word each.
        assert outcome.gas + MOST * (2_600 + 4_900) < Anvil.TRANSACTION_GAS
