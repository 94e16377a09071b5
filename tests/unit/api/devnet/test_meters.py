"""Simulated meters: what they show and when they publish."""

import struct
from pathlib import Path

import numpy as np
import pytest

from api.devnet.meter_modbus import words_of
from api.devnet.meter_mqtt import Progress, due_times
from api.devnet.meter_registers import SimulatedMeter
from api.devnet.meter_spec import MeterSpec, MeterSpecError, Spec, read_spec, write_spec
from api.devnet.series_record import MICRO, build
from node.metering import devices
from node.metering.plan import Plan

EPOCH_S = 1_718_000_000


def simulated(kind: str) -> SimulatedMeter:
    series = build("x", "home", 900, 0, np.full((7, 96), 250.0 * MICRO))
    return SimulatedMeter(MeterSpec(1, kind, "modbus", 0, 5_020, 1, None, 100, 200), series, EPOCH_S)  # type: ignore[arg-type]


def spec(**changes: object) -> Spec:
    values: dict[str, object] = {
        "clock": "0:0:1", "slot_s": 900, "interval_s": 60, "epoch_s": EPOCH_S, "seed": 1, "homes": 1, "plants": 0,
        "meters": [MeterSpec(1, "home", "modbus", 0, 5_020, 1)], "state_file": "/tmp/state",
    }  # fmt: skip
    return Spec(**(values | changes))  # type: ignore[arg-type]


def test_reading__home_and_plant__count_in_their_own_register_from_the_initial_one() -> None:
    home, plant = simulated("home").reading(EPOCH_S + 3_600), simulated("plant").reading(EPOCH_S + 3_600)
    assert (home.import_wh, home.export_wh, home.power_w) == (1_100, 200, 1_000)
    assert (plant.import_wh, plant.export_wh, plant.power_w) == (100, 1_200, -1_000)
    assert home.counter == home.time


def test_words_of__read_by_the_device_map__is_the_reading() -> None:
    reading = simulated("plant").reading(EPOCH_S + 3_600)
    (block,) = (plan := Plan.of(devices.load("gridtrace-sim-meter"))).blocks
    sample = plan.sample([struct.pack(f">{block.count}H", *words_of(reading))])
    assert sample.time == sample.counter == reading.time
    assert sample.reading(1, reading.time, reading.counter) == reading
    assert struct.calcsize(">QQQiI") == 2 * len(words_of(reading))


def test_due_times__after_an_outage__are_the_boundaries_missed_and_the_newest_interval() -> None:
    assert due_times(1_000, 3_000, 60, 900) == [1_800, 2_700, 3_000]
    assert due_times(2_999, 3_000, 60, 900) == [3_000]
    assert due_times(3_000, 3_059, 60, 900) == []
    assert due_times(2_640, 2_701, 60, 900) == [2_700]


def test_progress__saved__is_there_for_the_next_process(tmp_path: Path) -> None:
    assert Progress(tmp_path / "state").load() is None
    Progress(tmp_path / "state").save(77)
    assert Progress(tmp_path / "state").load() == 77


def test_write_spec__read_again__is_the_same_and_private(tmp_path: Path) -> None:
    path = tmp_path / "meters.json"
    write_spec(path, spec())
    assert read_spec(path) == spec()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("meter", "said"),
    [
        (MeterSpec(1, "home", "modbus", 1, 5_020, 1), "no home series 1"),
        (MeterSpec(1, "plant", "modbus", 0, 5_020, 1), "no plant series 0"),
        (MeterSpec(1, "home", "modbus", 0), "port and unit"),
        (MeterSpec(1, "home", "mqtt", 0, key="0x01"), "mqtt_url"),
    ],
)
def test_check__contradiction__is_named(meter: MeterSpec, said: str) -> None:
    with pytest.raises(MeterSpecError, match=said):
        spec(meters=[meter]).check()
