"""Values out of payloads, by topic and JSON pointer."""

from decimal import Decimal

import pytest

from node.metering import devices, payload
from node.metering.device_types import BadDeviceData, Device, FieldMap, Sample, Value
from node.metering.fields import Fields


def test_take__tasmota__keeps_decimals_exact() -> None:
    fields = Fields(devices.load("tasmota-energy"), "tele/plug/SENSOR")
    said = payload.decode_json(b'{"Time": "2026-01-01T00:00:00", "ENERGY": {"Total": 3.185, "Power": 12}}')
    assert fields.topics == ("tele/plug/SENSOR",)
    assert fields.take("tele/plug/SENSOR", said) == Sample(import_wh=3_185, power_w=12)
    assert fields.values() == [Value("import_wh", Decimal("3.185"), "kWh"), Value("power_w", 12, "W")]


def test_take__three_phases_on_nine_topics__speak_once_all_energies_are_known() -> None:
    fields = Fields(devices.load("shelly-gen1-3em"), "shellies/x")
    said = [fields.take(f"shellies/x/emeter/{phase}/power", Decimal("100.5")) for phase in range(3)]
    said += [fields.take(f"shellies/x/emeter/{phase}/total", 1_000 + phase) for phase in range(3)]
    said += [fields.take(f"shellies/x/emeter/{phase}/total_returned", 5) for phase in range(3)]
    assert said[:-1] == [None] * 8
    assert said[-1] == Sample(import_wh=3_003, export_wh=15, power_w=300)
    assert fields.take("shellies/x/emeter/0/power", 1) is None
    assert fields.take("shellies/x/emeter/0/total", 1_100) == Sample(import_wh=3_103, export_wh=15, power_w=201)


def test_take__http_status_with_a_list__is_added_up() -> None:
    one = {"power": 10, "total": 100, "total_returned": Decimal("0.5")}
    sample = Fields(devices.load("shelly-gen1-3em-http")).take("{}", {"emeters": [one, one, one]})
    assert sample == Sample(import_wh=300, export_wh=0, power_w=30)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"ENERGY": 3},
        [],
        3,
        None,
        {"ENERGY": {"Total": "three", "Power": 1}},
        {"ENERGY": {"Total": True, "Power": 1}},
        {"ENERGY": {"Total": Decimal("1e999999"), "Power": 1}},
    ],
)
def test_take__field_missing_or_no_number__is_an_error(said: object) -> None:
    with pytest.raises(BadDeviceData):
        Fields(devices.load("tasmota-energy"), "t").take("t", said)


def test_take__escaped_pointer_and_number_as_text__are_read() -> None:
    device = Device("mine", "http", "a public manual", fields=(FieldMap("/a~1b/~0/1", "import_wh", unit="Wh"),))
    assert Fields(device).take("{}", {"a/b": {"~": [0, " 7.9 "]}}) == Sample(import_wh=7)


def test_take__serial_number_with_control_characters__is_printable() -> None:
    entries = (FieldMap("/total", "import_wh", unit="Wh"), FieldMap("/sn", "serial"))
    device = Device("mine", "http", "a public manual", fields=entries)
    found = Fields(device).take("{}", payload.decode_json(b'{"total": 1, "sn": "A\\u0000B\\ud800"}'))
    assert found == Sample(import_wh=1, serial="AB")
