from node.metering.service import MeterSlot
from node.settlement.meters import by_account, participants, registered
from tests.unit.node.settlement.slot import account


def meter(number: int, owner: str, kind: str = "home", state: str = "VALIDATED") -> MeterSlot:
    return MeterSlot(number, account(owner), kind, 30, 20, 0, 0, state)


def test_registered__meter_of_nobody_or_another_on_chain__does_not_count() -> None:
    meters = [meter(1, "a"), meter(2, "b"), meter(3, "c"), meter(4, "z", "feeder")]
    counted = registered(meters, {1: account("a"), 2: account("x")})
    assert [item.meter_id for item in counted] == [1, 4]
    assert [item.meter_id for item in participants(counted)] == [1]


def test_by_account__one_of_two_meters_missing__makes_the_account_missing() -> None:
    metered = by_account([meter(1, "a"), meter(2, "a", state="MISSING"), meter(3, "b")])
    assert metered[account("a")].missing
    assert (metered[account("b")].injection_wh, metered[account("b")].withdrawal_wh) == (20, 30)
