"""What is asked of a device, and what its answers mean."""

import struct
from collections.abc import Mapping
from decimal import Decimal

import pytest

from node.metering import devices
from node.metering.device_types import BadDeviceData, Device, RegisterMap, Sample, Value
from node.metering.plan import Block, Plan


def answers(plan: Plan, words: Mapping[int, int]) -> list[bytes]:
    """As a device with these registers, 0 elsewhere."""
    return [
        struct.pack(f">{block.count}H", *(words.get(block.address + place, 0) for place in range(block.count)))
        for block in plan.blocks
    ]


def floats(*placed: tuple[int, float]) -> dict[int, int]:
    words: dict[int, int] = {}
    for address, value in placed:
        words[address], words[address + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return words


def device(*registers: RegisterMap, **options: object) -> Device:
    return Device("mine", "modbus", "a public manual", registers=registers, **options)  # type: ignore[arg-type]


def test_sample__sdm120_kwh_floats__are_floored_to_wh() -> None:
    plan = Plan.of(devices.load("eastron-sdm120"))
    # The nearest 32-bit float to 123.45 is 123.4499969…
    words = floats((0x0C, -812.5), (0x48, 123.45), (0x4A, 0.0625))
    assert plan.sample(answers(plan, words)) == Sample(import_wh=123_449, export_wh=62, power_w=-813)
    assert plan.blocks == (Block(4, 0x0C, 2), Block(4, 0x48, 4))


def test_sample__low_word_first__carlo_gavazzi() -> None:
    plan = Plan.of(devices.load("carlo-gavazzi-em340"))
    words = {0x34: 0x86A0, 0x35: 0x0001, 0x4E: 12, 0x28: 0xFFF6, 0x29: 0xFFFF}
    assert plan.sample(answers(plan, words)) == Sample(import_wh=10_000_000, export_wh=1_200, power_w=-1)


def test_sample__values_of_one_role__are_added_with_their_signs() -> None:
    plan = Plan.of(devices.load("sma-home-manager"))
    words = {30582: 7, 30584: 9, 30866: 100, 30868: 250}
    assert plan.sample(answers(plan, words)) == Sample(
        import_wh=7, export_wh=9, power_w=-150, import_wraps_wh=2**32, export_wraps_wh=2**32
    )


def test_sample__no_power_at_night__counts_as_none() -> None:
    plan = Plan.of(devices.load("sma-inverter"))
    assert plan.sample(answers(plan, {30516: 5, 30775: 0x8000})).power_w == 0


def test_sample__energy_not_there__must_not_pass_for_nothing() -> None:
    plan = Plan.of(devices.load("abb-b23"))
    with pytest.raises(BadDeviceData, match="no import_wh"):
        plan.sample(answers(plan, dict.fromkeys(range(0x5000, 0x5004), 0xFFFF)))


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_sample__not_a_finite_number__is_an_error(value: float) -> None:
    plan = Plan.of(devices.load("eastron-sdm120"))
    with pytest.raises(BadDeviceData, match="import_wh"):
        plan.sample(answers(plan, floats((0x48, value))))


def test_sample__scale_factor__moves_the_width_of_the_register_too() -> None:
    entry = RegisterMap(0, "u32", "import_wh", unit="Wh", scale_factor=2)
    plan = Plan.of(device(entry, absent="sunspec"))
    assert plan.sample(answers(plan, {1: 12_345, 2: 0xFFFF})) == Sample(
        import_wh=1_234, import_wraps_wh=-(-(2**32) // 10)
    )
    assert plan.sample(answers(plan, {1: 3, 2: 2})).import_wh == 300
    with pytest.raises(BadDeviceData, match="scale factor of 11"):
        plan.sample(answers(plan, {1: 3, 2: 11}))


def test_sample__width_said_by_the_map__holds() -> None:
    entry = RegisterMap(0, "u32", "import_wh", unit="kWh", scale="0.1", wraps="99999.9")
    plan = Plan.of(device(entry))
    assert plan.sample(answers(plan, {1: 1})).import_wraps_wh == 99_999_900


def test_blocks__wanted_registers__are_read_together_within_the_devices_limits() -> None:
    entries = [RegisterMap(address, "u16", name=f"r{address}") for address in (0, 1, 5, 20, 21, 30)]
    entries += [RegisterMap(6, "u16", name="other", function="holding"), RegisterMap(0, "u32", "import_wh", unit="Wh")]

    def blocks(**options: object) -> list[tuple[int, int, int]]:
        plan = Plan.of(device(*entries, **options), everything=True)
        return [(block.function, block.address, block.count) for block in plan.blocks]

    assert blocks() == [(3, 6, 1), (4, 0, 2), (4, 5, 1), (4, 20, 2), (4, 30, 1)]
    assert blocks(max_gap=14) == [(3, 6, 1), (4, 0, 31)]
    assert blocks(max_gap=14, max_registers=10) == [(3, 6, 1), (4, 0, 6), (4, 20, 2), (4, 30, 1)]


def test_values__everything__with_units_bits_and_what_is_not_there() -> None:
    plan = Plan.of(
        device(
            RegisterMap(0, "u32", "import_wh", unit="kWh", scale="0.01"),
            RegisterMap(2, "f32", name="voltage", unit="V"),
            RegisterMap(4, "bitfield16", name="state", bits={"0": "running", "3": "hot"}),
            RegisterMap(5, "string", name="model", length=2),
            RegisterMap(7, "s16", name="temperature", unit="°C"),
            absent="sunspec",
        ),
        everything=True,
    )
    words = {1: 12_345, **floats((2, 230.1)), 4: 9, 5: 0x4142, 7: 0x8000}
    assert plan.values(answers(plan, words)) == [
        Value("import_wh", Decimal("123.45"), "kWh"),
        Value("voltage", Decimal("230.100006"), "V"),
        Value("state", "running, hot", ""),
        Value("model", "AB", ""),
        Value("temperature", None, "°C"),
    ]
