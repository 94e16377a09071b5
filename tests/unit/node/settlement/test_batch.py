import pytest

from contracts.settlement_batch import Adjustment, BadBatch, Fill, encode_batch
from contracts.typed_data import Order
from node.settlement import calldata
from node.settlement.batch import SignedOrder, build
from node.settlement.netting import SELL, OrderFill

TRADER = b"\x01" * 20
ORDER = Order(TRADER, 1, 900, SELL, 500, 100_000, 0, 0, 0, 2_000, 3, 4)
SIGNATURE = bytes(63) + b"\x01\x1b"
FILL = OrderFill(order=b"\x0a" * 32, side=SELL, trader=TRADER, fill_wh=400, delivered_wh=300, money=40)


def test_build__fills_and_adjustments__are_packed_in_their_order() -> None:
    batch = build(5, 900, 0, [FILL], [(TRADER, -7)], {FILL.order: SignedOrder(ORDER, SIGNATURE)})
    fill = Fill(order=ORDER, signature=SIGNATURE, fill_wh=400, money=40, delivered_wh=300)
    assert batch == encode_batch(5, 900, 0, [fill], [Adjustment(TRADER, -7)])


def test_build__order_not_known__is_refused() -> None:
    with pytest.raises(KeyError):
        build(5, 900, 0, [FILL], [], {})


def test_build__too_many_entries__is_refused() -> None:
    with pytest.raises(BadBatch):
        build(5, 900, 0, [], [(TRADER, 1)] * 401, {})


def test_calldata__calls__name_their_function_and_stay_within_a_transaction() -> None:
    attest = calldata.attest(1, 900, bytes(32), bytes(12), 1)
    assert attest.data[:4].hex() == calldata.attest(2, 800, bytes(32), b"", 0).data[:4].hex()
    assert len({call.data[:4] for call in (attest, calldata.issue([1]), calldata.settle(b"", 1, 1))}) == 3
    assert calldata.settle(b"", 400, 0).gas_limit == calldata.MAX_GAS
