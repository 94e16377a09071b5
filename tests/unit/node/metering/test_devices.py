"""Device files: all of them load, and their values come out in whole Wh."""

import struct
from decimal import Decimal

import pytest

from node.metering import devices
from node.metering.devices import BadDeviceData, Sample, UnknownDevice


def float_words(*placed: tuple[int, float]) -> dict[int, int]:
    words: dict[int, int] = {}
    for address, value in placed:
        words[address], words[address + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return words


@pytest.mark.parametrize("name", devices.names())
def test_load__every_shipped_device__names_itself_and_reads_energy(name: str) -> None:
    device = devices.load(name)
    roles = {entry.role for entry in (*device.registers, *device.fields)}
    assert device.name == name
    assert device.signed or "import_wh" in roles
    assert all(0 < count <= 100 for _, count in device.blocks())


@pytest.mark.parametrize("name", ["nothing", "../service", ""])
def test_load__unknown_name__is_refused(name: str) -> None:
    with pytest.raises(UnknownDevice):
        devices.load(name)


def test_decode_registers__sdm120_kwh_floats__are_floored_to_wh() -> None:
    device = devices.load("eastron-sdm120")
    words = float_words((0x0C, -812.5), (0x48, 123.45), (0x4A, 0.0625))
    # The nearest 32-bit float to 123.45 is 123.4499969…
    assert device.decode_registers(words) == Sample(import_wh=123_449, export_wh=62, power_w=-813)
    assert device.blocks() == [(0x0C, 2), (0x48, 4)]


def test_decode_registers__sunspec__applies_its_scale_factors() -> None:
    device = devices.load("sunspec-203")
    words = dict.fromkeys(range(40_088, 40_125), 0)
    words |= {40_088: 0xFF85, 40_092: 1, 40_108: 1, 40_109: 2, 40_117: 12_345, 40_124: 0xFFFF}
    assert device.decode_registers(words) == Sample(import_wh=1_234, export_wh=6_553, power_w=-1_230)
    assert device.blocks() == [(40_088, 37)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_decode_registers__not_a_number__is_an_error(value: float) -> None:
    with pytest.raises(BadDeviceData, match="import_wh"):
        devices.load("eastron-sdm120").decode_registers(float_words((0x0C, 0.0), (0x48, value), (0x4A, 0.0)))


def test_decode_registers__register_not_read__is_an_error() -> None:
    with pytest.raises(BadDeviceData, match="register 12"):
        devices.load("eastron-sdm120").decode_registers({})


def test_decode_fields__tasmota__keeps_decimals_exact() -> None:
    payload = {"Time": "2026-01-01T00:00:00", "ENERGY": {"Total": Decimal("3.185"), "Power": 12}}
    assert devices.load("tasmota-energy").decode_fields(payload) == Sample(import_wh=3_185, power_w=12)


@pytest.mark.parametrize("payload", [{}, {"ENERGY": 3}, [], {"ENERGY": {"Total": "3.1", "Power": 1}}])
def test_decode_fields__field_missing_or_no_number__is_an_error(payload: object) -> None:
    with pytest.raises(BadDeviceData):
        devices.load("tasmota-energy").decode_fields(payload)
