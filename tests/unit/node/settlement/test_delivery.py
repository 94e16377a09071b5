from node.settlement.delivery import Metered, deliver
from tests.unit.node.settlement.slot import account, delivered, metered, trade


def test_deliver__enough_on_both_sides__delivers_all() -> None:
    assert delivered(deliver([trade(0, "s", "b", 700)], metered(s=(800, 0), b=(0, 900)))) == [700]


def test_deliver__seller_short__serves_earlier_trades_first() -> None:
    trades = [trade(1, "s", "c", 600), trade(0, "s", "b", 700)]
    assert delivered(deliver(trades, metered(s=(1_000, 0), b=(0, 700), c=(0, 600)))) == [700, 300]


def test_deliver__different_fees__serves_the_most_local_first() -> None:
    trades = [trade(0, "s", "b", 700, fee=40_000), trade(1, "s", "c", 600, fee=20_000)]
    assert delivered(deliver(trades, metered(s=(1_000, 0), b=(0, 700), c=(0, 600)))) == [400, 600]


def test_deliver__buyer_took_less__leaves_the_rest_to_the_next_buyer() -> None:
    trades = [trade(0, "s", "b", 700), trade(1, "s", "c", 600)]
    assert delivered(deliver(trades, metered(s=(900, 0), b=(0, 100), c=(0, 600)))) == [100, 600]


def test_deliver__missing_or_unknown_meter__delivers_nothing() -> None:
    meters = metered(s=(900, 0)) | {account("b"): Metered(0, 900, missing=True)}
    assert delivered(deliver([trade(0, "s", "b", 700), trade(1, "s", "c", 600)], meters)) == [0, 0]


def test_fee__is_on_delivered_energy_and_value_on_all() -> None:
    (delivery,) = deliver([trade(0, "s", "b", 700)], metered(s=(500, 0), b=(0, 900)))
    assert (delivery.value_nano, delivery.fee_nano) == (70_000_000, 10_000_000)
