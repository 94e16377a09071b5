"""Finding the models of a SunSpec device, wherever its map is."""

import struct

import pytest

from node.metering import devices, sunspec
from node.metering.device_types import BadDeviceData, Sample
from node.metering.lines import NoAnswer, RequestRefused
from node.metering.plan import Block
from node.metering.sunspec import Found, NoSunspec
from node.metering.sunspec_models import models


class FakeDevice:
    """A SunSpec map at a base; everything else is refused, or silent."""

    def __init__(self, base: int, *chain: tuple[int, dict[int, int]], length: int = 0, is_silent: bool = False) -> None:
        self.words = dict(enumerate(struct.unpack(">HH", b"SunS"), base))
        self.is_silent = is_silent
        address = base + 2
        for number, said in chain:
            size = length or models()[number].length if number in models() else 8
            self.words |= dict.fromkeys(range(address, address + 2 + size), 0)
            self.words |= {address: number, address + 1: size}
            self.words |= {address + offset: value for offset, value in said.items()}
            address += 2 + size
        self.words |= {address: 0xFFFF, address + 1: 0}

    async def ask(self, block: Block) -> bytes:
        try:
            return struct.pack(f">{block.count}H", *(self.words[block.address + place] for place in range(block.count)))
        except KeyError:
            raise (NoAnswer if self.is_silent else RequestRefused)("no such registers") from None

    async def sample(self, name: str) -> Sample:
        plan = sunspec.plan_of(devices.load(name), await sunspec.discover(self.ask))
        return plan.sample([await self.ask(block) for block in plan.blocks])


SERIAL = {50: 0x5345, 51: 0x5231}
METER = {18: 0xFF85, 22: 1, 38: 1, 39: 2, 47: 12_345, 54: 0xFFFF}


@pytest.mark.parametrize("base", [40_000, 50_000, 0])
@pytest.mark.parametrize("is_silent", [False, True])
async def test_discover__any_base__finds_the_chain_and_scales(base: int, is_silent: bool) -> None:
    device = FakeDevice(base, (1, SERIAL), (64_999, {}), (203, METER), is_silent=is_silent)
    assert await sunspec.discover(device.ask) == [
        Found(1, base + 2, 66),
        Found(64_999, base + 70, 8),
        Found(203, base + 80, 105),
    ]
    tenth = -(-(2**32) // 10)
    assert await device.sample("sunspec-meter") == Sample(
        import_wh=1_234, export_wh=6_553, power_w=-1_230, serial="SER1", import_wraps_wh=tenth, export_wraps_wh=tenth
    )


async def test_plan_of__inverter__feeds_in() -> None:
    device = FakeDevice(40_000, (1, SERIAL), (103, {14: 500, 15: 0xFFFF, 24: 0, 25: 9, 26: 3}))
    assert await device.sample("sunspec-inverter") == Sample(
        export_wh=9_000, power_w=-50, serial="SER1", export_wraps_wh=2**32 * 1_000
    )


async def test_plan_of__float_model_instead__is_read() -> None:
    high, low = struct.unpack(">HH", struct.pack(">f", 2_500.5))
    device = FakeDevice(40_000, (1, {}), (213, {68: high, 69: low}))
    assert (await device.sample("sunspec-meter")).import_wh == 2_500


async def test_plan_of__accumulator_that_counts_nothing__is_zero() -> None:
    assert (await FakeDevice(0, (203, {})).sample("sunspec-meter")).import_wh == 0


async def test_plan_of__none_of_the_models__names_what_the_device_has() -> None:
    chain = await sunspec.discover(FakeDevice(0, (1, {}), (103, {})).ask)
    with pytest.raises(NoSunspec, match="has 1, 103"):
        sunspec.plan_of(devices.load("sunspec-meter"), chain)


async def test_discover__no_map__says_so_and_a_dead_device_stays_dead() -> None:
    with pytest.raises(NoSunspec, match="no SunSpec map at 40000"):
        await sunspec.discover(FakeDevice(7).ask)
    silent = FakeDevice(7, is_silent=True)
    with pytest.raises(NoAnswer):
        await sunspec.discover(silent.ask)


async def test_discover__chain_without_end__is_given_up() -> None:
    async def ask(block: Block) -> bytes:
        return b"SunS" if block.address == 40_000 else bytes([0, 9, 0, 0])

    with pytest.raises(BadDeviceData, match="does not end"):
        await sunspec.discover(ask)


def test_models__lengths__are_the_standards() -> None:
    assert {number: model.length for number, model in models().items()} == {
        1: 66, **dict.fromkeys((101, 102, 103), 50), **dict.fromkeys((111, 112, 113), 60),
        **dict.fromkeys((201, 202, 203, 204), 105), **dict.fromkeys((211, 212, 213, 214), 124),
    }  # fmt: skip
    assert models()[203].points["TotWhImp"].offset == 46
    assert models()[103].points["WH"].offset == 24
    assert models()[213].points["TotWhImp"].offset == 68
