"""Registers between readings, for any chain of readings."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from contracts.typed_data import Reading
from node.metering.readings import State, energy_between, register_at

SLOT_S = 900


@st.composite
def chains(draw: st.DrawFn) -> list[Reading]:
    """A meter's readings: time and counter grow, registers do not fall."""
    steps = draw(
        st.lists(
            st.tuples(st.integers(1, 2_000), st.integers(0, 5_000), st.integers(0, 5_000)), min_size=2, max_size=40
        )
    )
    time_s, imported, exported, chain = 1_718_000_000, draw(st.integers(0, 10**9)), 0, []
    for counter, (passed_s, import_wh, export_wh) in enumerate(steps):
        time_s, imported, exported = time_s + passed_s, imported + import_wh, exported + export_wh
        chain.append(Reading(1, time_s, counter, imported, exported, 0))
    return chain


def around(chain: list[Reading], boundary_s: int) -> tuple[Reading | None, Reading | None]:
    before = [reading for reading in chain if reading.time <= boundary_s]
    after = [reading for reading in chain if reading.time >= boundary_s]
    return (before[-1] if before else None), (after[0] if after else None)


@given(chains())
def test_slots__of_any_chain__add_up_to_the_registers_at_its_ends(chain: list[Reading]) -> None:
    boundaries = range(-(-chain[0].time // SLOT_S) * SLOT_S, chain[-1].time + 1, SLOT_S)
    registers = [register_at(*around(chain, boundary), boundary, 10**6) for boundary in boundaries]
    energies = [energy_between(*pair) for pair in itertools.pairwise(registers)]
    assert all(energy.import_wh >= 0 and energy.export_wh >= 0 for energy in energies)
    if registers:
        assert sum(energy.import_wh for energy in energies) == registers[-1].import_wh - registers[0].import_wh
        assert chain[0].import_wh <= registers[0].import_wh <= registers[-1].import_wh <= chain[-1].import_wh


@given(chains(), st.integers(-3_000, 60_000))
def test_register_at__once_bracketed__is_not_changed_by_later_readings(chain: list[Reading], offset_s: int) -> None:
    boundary_s = chain[0].time + offset_s
    final = register_at(*around(chain, boundary_s), boundary_s, 1_800)
    for length in range(1, len(chain)):
        early = register_at(*around(chain[:length], boundary_s), boundary_s, 1_800)
        assert early == final or early.state is State.MISSING
