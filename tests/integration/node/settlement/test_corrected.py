"""A signed reading that comes late corrects what was interpolated: a new version, a difference in money, till final."""

import pytest

from contracts.typed_data import Reading, reading_digest, sign
from indexer.db import Connection
from node.audit import service as audit
from node.metering import service as metering
from node.metering.readings import SignedReading
from node.settlement import reads
from node.settlement.revise import due, revise
from node.settlement.service import compute
from tests.integration.node.audit.test_service import Contract
from tests.integration.node.settlement.test_revise import FINAL, LATE, again, cash, settle
from tests.integration.node.settlement.village import (
    CONTEXT,
    END,
    FLOWS,
    HOME,
    PLANT,
    SLOT,
    SLOT_S,
    ZONE,
    account_of,
    key_of,
    meter,
    meter_next,
    trade,
)

pytestmark = pytest.mark.integration

NEXT_END = END + SLOT_S


async def read(db: Connection, time: int, counter: int, import_wh: int, export_wh: int = 0, number: int = HOME) -> str:
    """Takes in one reading; what became of it."""
    reading = Reading(number, time, counter, 50_000 + import_wh, 90_000 + export_wh, 0)
    signed = SignedReading.recovered(reading, sign(reading_digest(reading), key_of(number)))
    (outcome,) = await metering.accept(db, [signed], now_s=time + SLOT_S, slot_s=SLOT_S)
    return outcome.state


async def begin(db: Connection, number: int = HOME) -> None:
    """Settles the slot with everybody's readings but this meter's, which says nothing yet."""
    await trade(db)
    await meter(db, {other: flow for other, flow in FLOWS.items() if other != number})


async def computed(db: Connection, slot: int = SLOT) -> None:
    assert isinstance(await compute(db, CONTEXT, ZONE, slot, slot + SLOT_S + (LATE - END)), int)
    await settle(db)
    assert (await reads.settlement(db, ZONE, slot)).state == "settled"


async def energy(db: Connection, version: int, slot: int = SLOT, number: int = HOME) -> metering.MeterSlot:
    rows = await metering.load_slot_energy(db, ZONE, slot, version)
    return next(row for row in rows if row.meter_id == number)


async def differences(db: Connection, *slots: int) -> list[str]:
    chain = await Contract.of(db)
    return [
        f"{finding.kind} {finding.subject}: {finding.expected} / {finding.actual}"
        for slot in slots or (SLOT,)
        for finding in await audit.check_slot(db, chain, CONTEXT, ZONE, slot)
    ]


async def interpolated(db: Connection) -> None:
    """The home's register at the slot's end lies between two readings, a third of the way before the later one."""
    await begin(db)
    await read(db, SLOT, 1, 0)
    await read(db, END + 300, 9, 1_600)
    await computed(db)
    assert (await energy(db, 0)).import_wh == 1_200


async def test_revise__late_reading_corrects_a_proved_slot__settles_the_difference(db: Connection) -> None:
    await interpolated(db)
    before = await cash(db)
    assert await due(db, CONTEXT, [ZONE], LATE) == []
    assert await differences(db) == []

    assert await read(db, END, 5, 1_000) == "VALIDATED"

    assert await due(db, CONTEXT, [ZONE], LATE) == [(ZONE, SLOT)]
    assert await again(db) is not None
    first, second = await reads.versions(db, ZONE, SLOT)
    assert [(row.kind, row.state, row.missing_meters) for row in (first, second)] == [
        ("provisional", "settled", 0),
        ("revision", "settled", 0),
    ]
    assert [(await energy(db, version)).import_wh for version in (0, 1)] == [1_200, 1_000]
    (then,) = await reads.accounts(db, first.settlement_id, account_of(HOME))
    (now,) = await reads.accounts(db, second.settlement_id, account_of(HOME))
    assert (then.imbalance_wh, now.imbalance_wh) == (0, 200)
    exact = (now.imbalance_money_nano - now.grid_fee_nano) - (then.imbalance_money_nano - then.grid_fee_nano)
    after = await cash(db)
    assert after[account_of(HOME)] - before[account_of(HOME)] == exact // 1_000 > 0
    assert -6 < sum(after.values()) - sum(before.values()) <= 0
    # Both versions are recomputed, each from what it knew.
    assert await differences(db) == []
    assert await due(db, CONTEXT, [ZONE], LATE) == []
    assert await again(db) is None
    assert await cash(db) == after


async def test_revise__register_noted_when_a_meter_was_replaced__proves_what_was_estimated(db: Connection) -> None:
    await begin(db)
    await read(db, SLOT - 1_200, 1, 0)
    await read(db, END + 300, 9, 1_600)  # the new device goes on from the old one's last register
    await computed(db)
    assert (await energy(db, 0)).state == "ESTIMATED"
    (line,) = await reads.accounts(db, (await reads.settlement(db, ZONE, SLOT)).settlement_id, account_of(HOME))
    assert line.state == "missing"

    assert await read(db, SLOT + 100, 5, 900) == "VALIDATED"

    await again(db)
    assert (await energy(db, 1)).state == "VALIDATED"
    assert [row.missing_meters for row in await reads.versions(db, ZONE, SLOT)] == [1, 0]
    assert await differences(db) == []


async def test_revise__reading_at_the_border_of_two_slots__corrects_both_and_loses_no_energy(db: Connection) -> None:
    await interpolated(db)
    await trade(db, END)
    await meter_next(db, END)
    await computed(db, END)
    whole = (await energy(db, 0)).import_wh + (await energy(db, 0, END)).import_wh

    assert await read(db, END, 5, 1_000) == "VALIDATED"

    assert await due(db, CONTEXT, [ZONE], LATE) == [(ZONE, SLOT), (ZONE, END)]
    for slot in (SLOT, END):
        assert await revise(db, CONTEXT, ZONE, slot, NEXT_END) is not None
        await settle(db)
    assert (await energy(db, 1)).import_wh + (await energy(db, 1, END)).import_wh == whole
    assert await differences(db, SLOT, END) == []


async def test_revise__producers_register_corrected_down__takes_no_token_back(db: Connection) -> None:
    await begin(db, PLANT)
    await read(db, SLOT, 1, 0, 0, PLANT)
    await read(db, END + 300, 9, 0, 1_600, PLANT)
    await computed(db)
    issued = "select attested_wh, issued_wh from blockchain.registers where meter_id = $1"
    first = tuple(await db.fetchrow(issued, PLANT))  # type: ignore[arg-type]
    assert await read(db, END, 5, 0, 1_000, PLANT) == "VALIDATED"
    await again(db)
    assert (await energy(db, 1, number=PLANT)).export_wh == 1_000
    assert tuple(await db.fetchrow(issued, PLANT)) == first  # type: ignore[arg-type]
    assert await differences(db) == []
    # The next slot's register is the same as without the correction: all that was fed in is issued, once.
    await trade(db, END)
    await meter_next(db, END)
    await computed(db, END)
    latest = (await metering.latest(db, [PLANT]))[PLANT]
    assert await db.fetchval("select attested_wh from blockchain.registers where meter_id = $1", PLANT) == (
        latest.export_wh
    )
    assert await differences(db, SLOT, END) == []


async def test_accept__reading_before_a_border_that_is_not_settled__waits_until_it_is(db: Connection) -> None:
    await begin(db)
    for time, counter, import_wh in ((SLOT, 1, 0), (SLOT + 300, 2, 100), (NEXT_END + 50, 9, 1_700)):
        await read(db, time, counter, import_wh)
    await computed(db)
    # The register at the next slot's end would fall below the one that is attested for this one's.
    assert await read(db, END - 10, 5, 110) == "REFUSED"
    assert await due(db, CONTEXT, [ZONE], LATE) == []
    await trade(db, END)
    await meter_next(db, END)
    await computed(db, END)
    assert await read(db, END - 10, 5, 110) == "VALIDATED"
    assert await due(db, CONTEXT, [ZONE], LATE) == [(ZONE, SLOT), (ZONE, END)]


@pytest.mark.parametrize(("counter", "import_wh"), [(5, 1_601), (1, 1_000), (9, 1_000)])
async def test_accept__late_reading_that_does_not_fit_in_between__changes_nothing(
    db: Connection, counter: int, import_wh: int
) -> None:
    await interpolated(db)
    assert await read(db, END, counter, import_wh) == "REFUSED"
    assert await db.fetchval("select count(*) from telemetry.late_readings") == 0
    assert await due(db, CONTEXT, [ZONE], LATE) == []


async def test_revise__final__energy_and_money_stand(db: Connection) -> None:
    await interpolated(db)
    await read(db, END, 5, 1_000)
    await again(db, FINAL)
    assert [row.kind for row in await reads.versions(db, ZONE, SLOT)] == ["provisional", "final"]
    final = await db.fetch("select version, final_at is not null as is_final, count(*) from telemetry.slot_energy"
                           " group by 1, 2 order by 1")  # fmt: skip
    assert [(row["version"], row["is_final"]) for row in final] == [(0, False), (1, True)]
    assert await due(db, CONTEXT, [ZONE], FINAL) == []
    assert await differences(db) == []


async def test_revise__nothing_new_at_the_end__makes_the_first_version_final(db: Connection) -> None:
    await interpolated(db)
    assert await again(db, FINAL) is None
    assert await db.fetchval("select bool_and(final_at is not null) from telemetry.slot_energy") is True
    assert await read(db, END, 5, 1_000) == "REFUSED"


async def test_check_slot__late_reading_tampered_with__is_named(db: Connection) -> None:
    await interpolated(db)
    await read(db, END, 5, 1_000)
    await again(db)
    tampered = (
        ("update telemetry.readings set import_wh = import_wh + 1 where counter = 5 and meter_id = $1", "reading"),
        ("delete from telemetry.readings where counter = 5 and meter_id = $1", "slot_energy"),
        ("delete from telemetry.late_readings where meter_id = $1", "slot_energy"),
        ("update trading.settlements set late_readings = 0 where version = 1 and $1 > 0", "slot_energy"),
    )
    for statement, kind in tampered:
        tampering = db.transaction()
        await tampering.start()
        assert (await db.execute(statement, HOME)).endswith(" 1"), statement
        assert any(found.startswith(kind) for found in await differences(db)), statement
        await tampering.rollback()


async def test_revise__killed_between_its_statements__makes_the_version_once(db: Connection) -> None:
    await interpolated(db)
    await read(db, END, 5, 1_000)
    killed = db.transaction()
    await killed.start()
    assert await revise(db, CONTEXT, ZONE, SLOT, LATE) is not None
    await killed.rollback()
    assert await due(db, CONTEXT, [ZONE], LATE) == [(ZONE, SLOT)]
    assert await again(db) is not None
    assert len(await reads.versions(db, ZONE, SLOT)) == 2
    assert await differences(db) == []
