from pathlib import Path

from api.devnet.community import UNITS_PER_PORT, members, meter_spec
from api.devnet.keys import KeyRing
from api.devnet.settings import Memory


def test_members__a_community__has_both_kinds_of_meters_in_each_kind() -> None:
    people = members(Memory(homes=24, plants=4, seed=1, data=None, modbus_port=20_500))
    assert [len([p for p in people if p.kind == kind]) for kind in ("home", "plant")] == [24, 4]
    for kind in ("home", "plant"):
        assert {p.driver for p in people if p.kind == kind} == {"modbus", "mqtt"}
    assert len({p.meter_id for p in people}) == len({p.name for p in people}) == 28


def test_members__more_than_a_line_has_units__spread_over_ports() -> None:
    people = members(Memory(homes=450, plants=4, seed=1, data=None, modbus_port=20_500))
    assert {p.port for p in people} == {20_500, 20_501, 20_502}
    assert max(p.unit for p in people) == UNITS_PER_PORT
    assert len({(p.port, p.unit) for p in people}) == len(people)


def test_meter_spec__same_seed__is_the_same_and_contradicts_nothing(tmp_path: Path) -> None:
    memory = Memory(homes=2, plants=2, seed=5, data=None, modbus_port=20_500)
    people, keys = members(memory), KeyRing(tmp_path)

    def build() -> object:
        return meter_spec(
            memory,
            people,
            keys,
            clock="0:0:1",
            epoch_s=0,
            mqtt_url="mqtt://127.0.0.1:1",
            interval_s=60,
            state_file=tmp_path / "s",
        )

    assert build() == build()
    build().check()  # type: ignore[attr-defined]
