"""Device files: all of them load, and what is wrong with a bad one is named by file, key and reason."""

from pathlib import Path

import pytest

from node.metering import devices
from node.metering.devices import BadDeviceMap, UnknownDevice
from node.metering.plan import Plan

GOOD = b"""
name = "mine"
driver = "modbus"
source = "a public manual"
registers = [{ role = "import_wh", address = 1, type = "u32", unit = "kWh" }]
"""


@pytest.mark.parametrize("name", devices.names())
def test_load__every_shipped_device__names_itself_its_source_and_an_energy(name: str) -> None:
    device = devices.load(name)
    points = device.sunspec.points if device.sunspec else ()
    roles = {entry.role for entries in (device.registers, device.fields, points) for entry in entries}
    assert device.name == name
    assert device.signed or roles & {"import_wh", "export_wh"}
    if device.registers:
        for plan in (Plan.of(device), Plan.of(device, everything=True)):
            assert all(0 < block.count <= device.max_registers for block in plan.blocks)


def test_names__ten_meters_and_more() -> None:
    assert len(devices.names()) > 25


@pytest.mark.parametrize("name", ["nothing", "../service", ""])
def test_load__unknown_name__is_refused(name: str) -> None:
    with pytest.raises(UnknownDevice):
        devices.load(name)


def test_load__own_folder__comes_first(tmp_path: Path) -> None:
    (tmp_path / "eastron-sdm120.toml").write_bytes(GOOD)
    assert devices.load("eastron-sdm120", tmp_path).name == "mine"
    assert devices.load("eastron-sdm630", tmp_path).name == "eastron-sdm630"


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ("u32", "u33", "registers[0].type", "Invalid enum value 'u33'"),
        ("address = 1", "address = 65535", "registers[0].address", "go past 65535"),
        ("address = 1", "address = 70000", "registers[0].address", "<= 65535"),
        ("kWh", "V", "registers[0].unit", "V cannot be import_wh"),
        ("import_wh", "power_w", "registers[0].unit", "kWh cannot be power_w"),
        ('role = "import_wh", ', "", "registers[0].name", "a value without a role needs one"),
        ('unit = "kWh"', 'unit = "kWh", scale = "0"', "registers[0].scale", "not a usable factor"),
        ('unit = "kWh"', 'unit = "kWh", scale = "ten"', "registers[0].scale", "not a decimal number"),
        ('unit = "kWh"', 'unit = "kWh", bits = {1 = "x"}', "registers[0].bits", "has none"),
        ('"u32"', '"string"', "registers[0].length", "strings have one above 0"),
        ('unit = "kWh"', 'unit = "kWh", colour = 1', "registers[0]", "unknown field `colour`"),
        ("modbus", "mqtt", "registers", "has none"),
        ("modbus", "canbus", "driver", "Invalid enum value"),
        ('name = "mine"', 'name = "mine"\nmax_registers = 1', "registers[0].length", "more than max_registers"),
        ("a public manual", "none", "source", ">= 10"),
        ("registers = [", "registers = [[", "file", "not TOML"),
    ],
)
def test_read__bad_map__names_file_key_and_reason(tmp_path: Path, old: str, new: str, key: str, reason: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.decode().replace(old, new))
    with pytest.raises(BadDeviceMap) as caught:
        devices.read(path)
    assert caught.value.source == str(path) in str(caught.value)
    assert any(found == key and reason in why for found, why in caught.value.found), caught.value.found


def test_read__several_faults__are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.decode().replace("kWh", "A").replace("address = 1,", 'address = 1, scale = "x",'))
    with pytest.raises(BadDeviceMap) as caught:
        devices.read(path)
    assert {key for key, _ in caught.value.found} == {"registers[0].scale", "registers[0].unit"}


def test_read__no_file__is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDeviceMap, match=r"nothing.toml: file: No such file"):
        devices.read(tmp_path / "nothing.toml")


def test_parse__sunspec_point_that_no_model_has__is_named() -> None:
    text = b"""
name = "mine"
driver = "modbus"
source = "a public manual"
[sunspec]
models = [203, 999]
points = [{ point = "TotWhImp", role = "import_wh" }, { point = "Colour" }]
"""
    with pytest.raises(BadDeviceMap) as caught:
        devices.parse(text, "mine.toml")
    assert [key for key, _ in caught.value.found] == ["sunspec.points[1].point", "sunspec.models"]
