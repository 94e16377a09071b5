from itertools import pairwise

from api.web.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw

BIDS = [(100_000, 500), (300_000, 1_000)]
OFFERS = [(200_000, 800), (50_000, 400)]


def points(path: str) -> list[tuple[float, float]]:
    pairs = path.replace("M", " ").replace("L", " ").split()
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in pairs)]


def test_draw__empty_book__is_nothing() -> None:
    assert draw([], [], None, 0) is None


def test_draw__book__stays_inside_its_box_and_goes_right() -> None:
    curve = draw(BIDS, OFFERS, 200_000, 1_000)
    assert curve is not None
    for path in (curve.demand, curve.supply):
        found = points(path)
        assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in found)
        assert all(before[0] <= after[0] for before, after in pairwise(found))


def test_draw__demand_falls_and_supply_rises() -> None:
    curve = draw(BIDS, OFFERS, 200_000, 1_000)
    assert curve is not None
    demand, supply = points(curve.demand), points(curve.supply)
    assert demand[0][1] < demand[-1][1], "the best bid is drawn highest"
    assert supply[0][1] > supply[-1][1], "the best offer is drawn lowest"


def test_draw__price_and_volume__mark_where_they_meet() -> None:
    curve = draw(BIDS, OFFERS, 200_000, 1_000)
    assert curve is not None
    assert curve.matched_x == points(curve.demand)[1][0]
    assert curve.price_y == points(curve.supply)[2][1]


def test_draw__one_order_only__has_scales() -> None:
    curve = draw([(0, 5)], [], None, 0)
    assert curve is not None
    assert (curve.supply, curve.price_y, curve.matched_x) == ("", None, None)
    assert curve.price_ticks
    assert curve.energy_ticks
