"""A bad, silent, restarted, rolled-over, replaced or lying meter is named, and its chain goes on where it can."""

from collections.abc import AsyncIterator

import pytest

from contracts.typed_data import Reading, address_of, reading_digest, sign
from indexer.db import Connection, open_pool, transaction
from node.metering import baselines, devices, faults, intake, service
from node.metering.baselines import NotReplaced
from node.metering.device_types import Sample
from node.metering.entries import FaultEntry, ReadingEntry
from node.metering.fault_kinds import FaultKind
from node.metering.meter import Gateway
from node.metering.readings import SignedReading
from node.metering.service import Meter, MeterSlot
from node.metering.watcher import Watcher

pytestmark = pytest.mark.integration

GATEWAY = bytes(31) + b"\x21"
DEVICE_KEY = bytes(31) + b"\x22"
T = 1_718_000_100
WIDTH = 2**32
POLLED, SIGNING, FEEDER = 1, 2, 3


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    async with open_pool(database_url, size=2) as pool, transaction(pool) as connection:
        polled = ("modbus", "abb-b23", "modbus-tcp://h/1", address_of(GATEWAY), 10_000)
        signing = ("mqtt", "gridtrace-signed", "gridtrace/meters/2/reading", address_of(DEVICE_KEY), 10_000)
        await service.register_meter(connection, Meter(POLLED, bytes(20), "home", None, 1, *polled))
        await service.register_meter(connection, Meter(SIGNING, bytes(20), "home", None, 1, *signing))
        yield connection


class Polled:
    """A polled meter, its gateway and the database; the gateway may be started again."""

    def __init__(self, db: Connection) -> None:
        self.db, self.gateway = db, Gateway(GATEWAY)

    async def restart(self) -> None:
        self.gateway = Gateway(GATEWAY)
        await self.reload()

    async def reload(self) -> None:
        self.gateway.resume(await service.latest(self.db, [POLLED]), await baselines.newest(self.db))

    async def show(self, time_s: int, sample: Sample) -> int | None:
        """What the register is after the device showed this; None where nothing was stored."""
        (meter,) = await service.meters(self.db, meter_ids=[POLLED])
        entries = self.gateway.take(meter, devices.load(meter.device), sample, time_s)
        outcomes = await intake.take_entries(self.db, entries, now_s=time_s, slot_s=900)
        assert [outcome.reason for outcome in outcomes] == [None] * len(outcomes)
        latest = (await service.latest(self.db, [POLLED])).get(POLLED)
        return latest.import_wh if latest is not None and latest.time == time_s else None

    async def open_kinds(self) -> list[str]:
        return (await faults.of_meters(self.db, [POLLED])).get(POLLED, [])


async def test_rollover__survives_restarts_of_the_gateway_and_is_named(db: Connection) -> None:
    polled = Polled(db)
    assert await polled.show(T, Sample(import_wh=WIDTH - 50, import_wraps_wh=WIDTH)) == WIDTH - 50
    await polled.restart()
    assert await polled.show(T + 360, Sample(import_wh=100, import_wraps_wh=WIDTH)) == WIDTH + 100
    await polled.restart()
    assert await polled.show(T + 420, Sample(import_wh=120, import_wraps_wh=WIDTH)) == WIDTH + 120
    (fault,) = await faults.of_meter(db, POLLED)
    assert (fault.kind, fault.since, fault.until) == ("rolled-over", T + 360, T + 360)
    assert fault.evidence == {"register": "import", "was_wh": WIDTH - 50, "shows_wh": 100}
    assert await polled.open_kinds() == []


async def test_replacement__waits_for_a_person_and_then_goes_on(db: Connection) -> None:
    polled = Polled(db)
    assert await polled.show(T, Sample(import_wh=5_000, serial="OLD")) == 5_000
    assert await polled.show(T + 60, Sample(import_wh=70, serial="NEW")) is None
    assert await polled.show(T + 120, Sample(import_wh=80, serial="NEW")) is None
    assert await polled.open_kinds() == ["replaced"]
    for wrong in ("OTHER", "OLD"):
        with pytest.raises(NotReplaced, match="the one seen is NEW"):
            await baselines.confirm_replacement(db, POLLED, wrong, bytes(20))
    await baselines.confirm_replacement(db, POLLED, "NEW", bytes(20))
    assert await polled.open_kinds() == []
    await polled.restart()
    assert await polled.show(T + 180, Sample(import_wh=95, serial="NEW")) == 5_015
    with pytest.raises(NotReplaced):
        await baselines.confirm_replacement(db, POLLED, "NEW", bytes(20))


async def test_restart_of_a_device_that_forgets__counts_on_once(db: Connection) -> None:
    polled = Polled(db)
    await polled.show(T, Sample(import_wh=5_000, uptime_s=900))
    assert await polled.show(T + 60, Sample(import_wh=3, uptime_s=20)) == 5_003
    await polled.restart()
    assert await polled.show(T + 120, Sample(import_wh=10, uptime_s=80)) == 5_010
    assert {fault.kind for fault in await faults.of_meter(db, POLLED)} == {"rebooted"}


async def test_register_that_falls__is_open_until_it_is_believable_again(db: Connection) -> None:
    polled = Polled(db)
    await polled.show(T, Sample(import_wh=5_000))
    assert await polled.show(T + 60, Sample(import_wh=4_000)) is None
    assert await polled.show(T + 120, Sample(import_wh=90_000)) is None
    assert await polled.open_kinds() == ["over-fuse", "register-fell"]
    assert await polled.show(T + 180, Sample(import_wh=5_010)) == 5_010
    assert await polled.open_kinds() == []
    assert [fault.until for fault in await faults.of_meter(db, POLLED)] == [T + 180, T + 180]


async def say(db: Connection, time: int, counter: int, import_wh: int, key: bytes = DEVICE_KEY) -> None:
    said = Reading(SIGNING, time, counter, import_wh, 0, 0)
    signed = SignedReading.recovered(said, sign(reading_digest(said), key))
    await intake.take_in(db, [signed], now_s=T + 1_000, slot_s=900)


async def test_signing_meter__what_it_signs_wrong_is_named_and_what_strangers_sign_is_not(db: Connection) -> None:
    await say(db, T, 10, 1_000)
    await say(db, T + 60, 1, 1_001)
    await say(db, T + 70, 11, 900)
    await say(db, T + 80, 12, 900_000)
    await say(db, T + 5_000, 13, 1_002)
    await say(db, T + 90, 14, 7, key=GATEWAY)
    await say(db, T, 10, 1_000)
    open_kinds = await faults.of_meters(db, [SIGNING])
    assert open_kinds == {SIGNING: ["clock-drift", "counter-fell", "over-fuse", "register-fell"]}
    await say(db, T + 100, 15, 1_010)
    assert await faults.of_meters(db, [SIGNING]) == {}


async def test_silence__is_named_once_since_its_last_word_and_ends_with_the_next(db: Connection) -> None:
    watcher = Watcher(silence_s=1_200)
    await say(db, T, 10, 1_000)
    await watcher.look(db, T + 1_199, T - 5_000)
    assert await faults.of_meters(db, [SIGNING]) == {}
    await watcher.look(db, T + 1_200, T - 5_000)
    await watcher.look(db, T + 1_500, T - 5_000)
    (fault,) = await faults.of_meter(db, SIGNING)
    assert (fault.kind, fault.since, fault.times, fault.evidence) == ("silent", T, 1, {"last_reading": T})
    assert (await faults.of_meter(db, POLLED))[0].evidence == {"last_reading": "never"}
    await say(db, T + 1_600, 11, 1_001)
    assert (await faults.of_meter(db, SIGNING))[0].until == T + 1_600


async def test_silence__before_anybody_listened__is_nobodys_fault(db: Connection) -> None:
    watcher = Watcher(silence_s=1_200)
    await say(db, T, 10, 1_000)
    await watcher.look(db, T + 9_000, T + 8_000)
    await watcher.look(db, T + 9_000, None)
    assert await faults.of_meters(db, [SIGNING]) == {}


async def test_power_that_contradicts_the_register__is_named(db: Connection) -> None:
    watcher = Watcher(silence_s=10**6)
    await say(db, T, 1, 1_000)
    entries = []
    for step in range(1, 70):
        said = Reading(SIGNING, T + 60 * step, step + 1, 1_000 + step, 0, 6_000)
        entries.append(
            ReadingEntry.of(SignedReading(said, sign(reading_digest(said), DEVICE_KEY), address_of(DEVICE_KEY)))
        )
    outcomes = await intake.take_entries(db, entries, now_s=T + 9_000, slot_s=900)
    watcher.take(entries, outcomes)
    await watcher.look(db, T + 4_200, None)
    (fault,) = await faults.of_meter(db, SIGNING)
    assert fault.kind == "power-contradicts-register"
    assert fault.evidence["by_power_wh"] == 6_000 and fault.evidence["by_register_wh"] == 60


async def test_feeder__meter_that_says_half__is_named_with_the_feeder(db: Connection) -> None:
    feeder = ("mqtt", "gridtrace-signed", "gridtrace/meters/3/reading", address_of(DEVICE_KEY), 90_000)
    await service.register_meter(db, Meter(FEEDER, bytes(20), "feeder", None, 1, *feeder))
    start = T // 900 * 900
    true = [(700 + 37 * step % 900, 300 + 91 * step % 1_100) for step in range(14)]
    for step, (first, second) in enumerate(true):
        slots = [
            MeterSlot(POLLED, bytes(20), "home", first, 0, 0, 0, "VALIDATED"),
            MeterSlot(SIGNING, bytes(20), "home", second // 2, 0, 0, 0, "VALIDATED"),
            MeterSlot(FEEDER, bytes(20), "feeder", first + second, 0, 0, 0, "VALIDATED"),
        ]
        await service.store_slot_energy(db, start + 900 * step, 900, 0, slots)
    watcher = Watcher(silence_s=10**6)
    await watcher.look(db, start, None)
    assert await faults.of_meters(db, [POLLED, SIGNING, FEEDER]) == {
        SIGNING: ["feeder-contradicts"],
        FEEDER: ["feeder-contradicts"],
    }
    assert (await faults.of_meter(db, FEEDER))[0].evidence["suspect"] == SIGNING


async def test_note__many_at_once__keeps_one_open_fault_of_a_kind(db: Connection) -> None:
    for at in (T, T + 5):
        await faults.note(db, [FaultEntry(POLLED, FaultKind.BAD_DATA, at, {"error": f"at {at}"})] * 2)
    (fault,) = await faults.of_meter(db, POLLED)
    assert (fault.since, fault.last_seen, fault.times) == (T, T + 5, 2)
    assert fault.evidence == {"error": f"at {T + 5}"}
