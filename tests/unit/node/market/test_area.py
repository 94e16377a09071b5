from pathlib import Path
from typing import Any, cast

import pytest

from node.config import NodeConfig
from node.market.area import Area, AreasInvalid, alone, area_of, areas, load, parse
from tests.unit.node.market.orders import RULES

FEE = RULES.grid_fee_per_kwh
TWO = """
[[area]]
zones = [2, 1]
fee_per_kwh = 10_000
[[area.link]]
from = 1
to = 2
fee_per_kwh = 45_000
capacity_wh = 250_000
[[area.link]]
from = 2
to = 2
fee_per_kwh = 5_000

[[area]]
zones = [7]
"""


class Config:
    """What of the node's configuration areas are made of."""

    market = RULES

    def __init__(self, zones: tuple[int, ...], areas_file: Path | None) -> None:
        self.zones = zones
        self.areas_file = areas_file


def configured(zones: tuple[int, ...], areas_file: Path | None = None) -> NodeConfig:
    config: Any = Config(zones, areas_file)
    return cast(NodeConfig, config)


def test_parse__file__is_what_it_says() -> None:
    two, seven = parse(TWO, FEE)

    assert two == Area((1, 2), {(1, 1): 10_000, (2, 2): 5_000, (1, 2): 45_000}, {(1, 2): 250_000})
    assert (two.name, two.pairs) == (1, ((2, 2), (1, 1), (1, 2)))
    assert seven == alone(7, FEE)


def test_areas__no_file__every_zone_is_alone() -> None:
    assert areas(configured((3, 8))) == (alone(3, FEE), alone(8, FEE))


def test_areas__file__zones_it_does_not_name_are_alone(tmp_path: Path) -> None:
    file = tmp_path / "areas.toml"
    file.write_text(TWO)

    found = areas(configured((1, 2, 5, 7), file))

    assert [area.zones for area in found] == [(1, 2), (5,), (7,)]
    assert area_of(found, 2) == found[0]
    assert area_of(found, 6) is None


def test_areas__zone_that_the_node_does_not_run__is_refused(tmp_path: Path) -> None:
    file = tmp_path / "areas.toml"
    file.write_text(TWO)

    with pytest.raises(AreasInvalid, match=r"zones \[2, 7\]"):
        areas(configured((1,), file))


def test_load__no_such_file__says_which(tmp_path: Path) -> None:
    with pytest.raises(AreasInvalid, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml", FEE)


def test_load__not_text__says_which(tmp_path: Path) -> None:
    file = tmp_path / "areas.toml"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(AreasInvalid, match=r"areas\.toml"):
        load(file, FEE)


def test_without__zone__takes_its_links_along() -> None:
    (two, _) = parse(TWO, FEE)

    assert two.without([1]) == Area((2,), {(2, 2): 5_000})


LINK = "[[area]]\nzones = [1, 2]\n[[area.link]]\nfrom = 1\nto = 2\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zones = ", "Invalid value"),
        ("[[areas]]\nzones = [1]", r"unknown \['areas'\]"),
        ("area = 3", "area must be written as"),
        ("[[area]]", "area 1: zones must be a list"),
        ("[[area]]\nzones = [1, '2']", "zones must be a list"),
        ("[[area]]\nzones = [-1]", "zones must be a list"),
        ("[[area]]\nzones = []", "1 to 128 zones, this has 0"),
        ("[[area]]\nzones = [1, 1]", "each once"),
        ("[[area]]\nzones = [1]\nfee_per_kwh = 0.5", "fee_per_kwh must be a whole number, not 0.5"),
        ("[[area]]\nzones = [1]\nfee_per_kwh = true", "whole number, not True"),
        ("[[area]]\nzones = [1]\nfee_per_kwh = -1", "no price: -1"),
        ("[[area]]\nzones = [1]\ncapacity = 5", r"unknown \['capacity'\]"),
        (LINK, "link 1: fee_per_kwh must be a whole number, not None"),
        (LINK + "fee_per_kwh = 1\nspeed = 2", r"link 1: unknown \['speed'\]"),
        (LINK + "fee_per_kwh = 1\ncapacity_wh = -5", "no energy: -5"),
        (LINK.replace("to = 2", "to = 3") + "fee_per_kwh = 1", "from zone 1 to zone 3 leaves the area"),
        (LINK.replace("to = 2", "to = 1") + "fee_per_kwh = 1\ncapacity_wh = 1", "which are not linked"),
        (LINK + "fee_per_kwh = 1\n[[area.link]]\nfrom = 1\nto = 2\nfee_per_kwh = 2", "link 2: .* already"),
        ("[[area]]\nzones = [1, 2]\n[[area]]\nzones = [2, 3]", "zone 2 is in more than one area"),
        (f"[[area]]\nzones = {list(range(129))}", "1 to 128 zones, this has 129"),
    ],
)
def test_parse__file_that_no_market_runs_on__is_refused(text: str, words: str) -> None:
    with pytest.raises(AreasInvalid, match=words):
        parse(text, FEE)
