"""Projections are complete and know what they read."""

import pytest

from indexer import state


@pytest.mark.parametrize("projection", state.shipped(), ids=lambda projection: projection.name)
def test_projection__can_be_taken_back(projection: state.Projection) -> None:
    keyed = projection.touched is not None and projection.clear is not None
    assert keyed != (projection.unfold is not None)
    assert "chain_id = $1" in projection.fold
    assert "between $2 and $3" in projection.fold


def test_sources__unpacked_tables_come_before_their_readers() -> None:
    names = list(state.ORDER)
    for projection in state.shipped():
        earlier = projection.sources & set(names) - {projection.name}
        assert all(names.index(name) < names.index(projection.name) for name in earlier)


def test_usable__a_missing_contract__leaves_its_projections_out() -> None:
    registry = {"fact_participant_registry_participant_set", "fact_participant_registry_meter_set"}
    assert {p.name for p in state.usable(registry)} == {"participants", "meters"}
