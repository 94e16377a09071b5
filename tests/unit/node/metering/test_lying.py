"""Whether power and registers agree, and whom the feeder gives away."""

import random

from contracts.typed_data import Reading
from node.metering.fault_kinds import Evidence
from node.metering.feeder import Balance, suspect
from node.metering.lying import PowerCheck

T = 1_718_000_000


def verdicts(import_per_min_wh: int, power_w: int, *, export_per_min_wh: int = 0, step_s: int = 60) -> list[Evidence]:
    check, found = PowerCheck(), []
    for step in range(130):
        moved = (1_000 + step * import_per_min_wh, step * export_per_min_wh)
        said = check.take(Reading(1, T + step * step_s, step, *moved, power_w))
        if said is not None:
            found.append(said)
    return found


def test_take__power_and_register_agree__says_so_every_hour() -> None:
    assert verdicts(20, 1_200) == [{}, {}]
    assert verdicts(0, -3_000, export_per_min_wh=50) == [{}, {}]


def test_take__register_counts_a_fifth_of_the_power__is_evidence() -> None:
    assert verdicts(20, 6_000)[0] == {"by_power_wh": 6_000, "by_register_wh": 1_200, "span_s": 3_600}


def test_take__power_with_the_wrong_sign__is_evidence() -> None:
    assert verdicts(20, -1_200)[0]["by_power_wh"] == -1_200


def test_take__no_power_said_or_hardly_any_energy_or_rare_readings__proves_nothing() -> None:
    assert verdicts(20, 0) == []
    assert verdicts(1, 100) == []
    assert verdicts(20, 9_000, step_s=900) == []


def slots(seed: int, count: int, *, liar: int | None = None, told: float = 0.5) -> list[Balance]:
    chance, found = random.Random(seed), []
    for _ in range(count):
        true = {meter: chance.randint(0, 2_000) for meter in range(1, 9)}
        said = {meter: int(value * told) if meter == liar else value for meter, value in true.items()}
        found.append(Balance(int(sum(true.values()) * 1.02), said))
    return found


def test_suspect__meter_that_says_half__is_named() -> None:
    for seed in range(20):
        lied = slots(seed, 24, liar=5)
        assert suspect(lied) == 5
        assert sum(not slot.is_plausible for slot in lied) > 4


def test_suspect__losses_or_too_few_slots__accuse_nobody() -> None:
    honest = slots(1, 24)
    assert all(slot.is_plausible for slot in honest)
    assert suspect(slots(1, 11, liar=5)) is None
    assert suspect([]) is None


def test_balance__meters_claim_more_than_the_feeder_saw__is_not_plausible() -> None:
    assert not Balance(1_000, {1: 1_200}).is_plausible
    assert Balance(1_000, {1: 1_050}).is_plausible
