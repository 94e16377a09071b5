"""The areas that the market runs with, and processes that were started with others."""

from dataclasses import replace

import pytest

from indexer.db import Connection
from node.market import agreement
from node.market.agreement import AreasDiffer, areas_hash
from node.market.area import Area, alone

pytestmark = pytest.mark.integration

AREA = Area((1, 2), {(1, 1): 5, (2, 2): 5, (1, 2): 9}, {(1, 2): 100})
OTHERS = [
    [alone(1, 5), alone(2, 5)],
    [replace(AREA, fee_per_kwh={**AREA.fee_per_kwh, (1, 2): 8})],
    [replace(AREA, capacity_wh={(1, 2): 101})],
    [replace(AREA, capacity_wh={})],
    [AREA, alone(3, 5)],
]


def test_areas_hash__order_of_areas__does_not_matter_and_all_else_does() -> None:
    assert areas_hash([AREA, alone(3, 5)]) == areas_hash([alone(3, 5), AREA])
    assert len({areas_hash(areas) for areas in [[AREA], *OTHERS]}) == 1 + len(OTHERS)


async def test_lead_with__first_leader__sets_what_all_others_need(db: Connection) -> None:
    await agreement.require(db, OTHERS[0])  # nobody has led: nothing is agreed

    await agreement.lead_with(db, [AREA])

    await agreement.lead_with(db, [AREA])
    for areas in OTHERS:
        with pytest.raises(AreasDiffer, match="gridtrace auction areas --adopt"):
            await agreement.lead_with(db, areas)
        with pytest.raises(AreasDiffer):
            await agreement.require(db, areas)


async def test_adopt__other_areas__are_the_markets_from_then_on(db: Connection) -> None:
    await agreement.lead_with(db, [AREA])

    await agreement.adopt(db, OTHERS[0])

    await agreement.lead_with(db, OTHERS[0])
    with pytest.raises(AreasDiffer):
        await agreement.lead_with(db, [AREA])
