from dataclasses import replace

from node.settlement.delivery import Metered
from node.settlement.imbalance import Prices
from node.settlement.outcome import Outcome, carbon_offset_g, result_hash, settle
from tests.unit.node.settlement.slot import account, metered, trade

GRID = account("g")


def outcome(meters: dict[bytes, Metered] | None = None) -> Outcome:
    return settle(
        zone=1,
        delivery_start=900,
        version=0,
        trades=[trade(0, "s", "b", 500)],
        metered=metered(s=(700, 0), b=(0, 650)) if meters is None else meters,
        prices=Prices(100_000, 60_000, 320_000),
        readings_root=bytes(32),
        grid_account=GRID,
    )


def test_settle__accounts__sum_to_zero_with_the_grids_line() -> None:
    lines = {line.account: line for line in outcome().accounts}
    assert lines[GRID].imbalance_money_nano == outcome().imbalance.grid_money_nano
    assert sum(line.imbalance_money_nano for line in lines.values()) == 0


def test_settle__grid_account_with_a_meter__keeps_its_own_part() -> None:
    lines = {line.account: line for line in outcome(metered(s=(500, 0), b=(0, 500), g=(0, 100))).accounts}
    assert (lines[GRID].imbalance_wh, lines[GRID].imbalance_money_nano) == (-100, 0)


def test_result_hash__same_again__is_the_same_and_any_change_another() -> None:
    assert result_hash(outcome()) == result_hash(outcome())
    assert result_hash(outcome(metered(s=(700, 0), b=(0, 651)))) != result_hash(outcome())
    assert result_hash(replace(outcome(), readings_root=b"\x01" * 32)) != result_hash(outcome())


def test_moves_anything__nothing_traded_or_metered__is_false() -> None:
    empty = settle(1, 900, 0, [], metered(s=(0, 0)), Prices(0, 0, 0), bytes(32), GRID)
    assert not empty.moves_anything
    assert outcome().moves_anything


def test_carbon_offset__grams__are_rounded_down() -> None:
    assert carbon_offset_g(1_999, 380) == 759
