"""The logs are anchored once a market day, whatever dies, and an auditor reads the anchors from the chain itself."""

from typing import Any

import pytest

from indexer.db import Connection
from node.audit import anchors, log
from node.audit.anchors import AUDIT_LOGS, EVENTS, ZONES
from node.audit.chained import Anchor
from node.outbox import RpcError
from tests.integration.node.audit.test_tampering import settle
from tests.integration.node.settlement import ledger
from tests.integration.node.settlement.village import CHAIN_ID, CONTEXT, SLOT

pytestmark = pytest.mark.integration

DAY_S = 86_400
MIDNIGHT = SLOT - SLOT % DAY_S


async def asked(db: Connection, now_s: float) -> dict[str, int]:
    return {one.log: one.sequence for one in await anchors.ask(db, CONTEXT, now_s)}


async def lengths(db: Connection) -> dict[str, int]:
    row = await db.fetchrow(
        "select (select max(sequence) from audit.audit_logs), (select max(sequence) from trading.events)"
    )
    assert row is not None
    return {AUDIT_LOGS: row[0], EVENTS: row[1]}


async def test_ask__both_logs__once_a_market_day_and_only_what_has_grown(db: Connection) -> None:
    await settle(db)
    first = await lengths(db)
    assert await asked(db, MIDNIGHT) == first
    await db.execute("update trading.settlements set delivered_wh = delivered_wh")  # changes nothing
    await db.execute("update trading.settlements set delivered_wh = delivered_wh + 1")
    assert await asked(db, MIDNIGHT + DAY_S - 0.1) == {}
    assert await asked(db, MIDNIGHT + DAY_S) == {AUDIT_LOGS: first[AUDIT_LOGS] + 1}
    assert await asked(db, MIDNIGHT + 2 * DAY_S) == {}
    keys = [row["key"] for row in await db.fetch("select key from wallet.outbox where kind = 'anchor' order by id")]
    assert keys == [
        f"anchor:{AUDIT_LOGS}:{first[AUDIT_LOGS]}",
        f"anchor:{EVENTS}:{first[EVENTS]}",
        f"anchor:{AUDIT_LOGS}:{first[AUDIT_LOGS] + 1}",
    ]


async def test_ask__killed_before_its_commit__asks_again_and_once(db: Connection) -> None:
    await settle(db)
    killed = db.transaction()
    await killed.start()
    assert len(await asked(db, SLOT)) == 2
    await killed.rollback()
    assert await db.fetchval("select count(*) from wallet.outbox where kind = 'anchor'") == 0
    assert len(await asked(db, SLOT)) == 2
    assert await asked(db, SLOT) == {}
    assert await db.fetchval("select count(*) from wallet.outbox where kind = 'anchor'") == 2


async def test_check_logs__anchored__say_up_to_which_row(db: Connection) -> None:
    await settle(db)
    numbers = await asked(db, SLOT)
    await ledger.mine(db)
    await db.execute("update trading.settlements set delivered_wh = delivered_wh + 1")
    changes, events = await log.check_log(db, CHAIN_ID), await log.check_events(db, CHAIN_ID)
    assert (changes.findings, events.findings) == ([], [])
    assert (changes.entries, changes.anchored) == (numbers[AUDIT_LOGS] + 1, numbers[AUDIT_LOGS])
    assert (events.entries, events.anchored) == (numbers[EVENTS], numbers[EVENTS])


async def test_check_events__whole_sequence_made_anew_after_its_anchor__is_found(db: Connection) -> None:
    await settle(db)
    number = (await asked(db, SLOT))[EVENTS]
    await ledger.mine(db)
    before = await db.fetchval("select hash from trading.events where sequence = $1", number)
    await db.execute(
        "update trading.events set payload = payload || '\\x00', hash = sha256(previous_hash ||"
        " int8send(sequence) || convert_to(kind, 'UTF8') || '\\x00' || subject || payload || '\\x00')"
        " where sequence = $1",
        number,
    )
    (finding,) = (await log.check_events(db, CHAIN_ID)).findings
    assert (finding.subject, finding.expected) == (f"row {number} anchored hash", "0x" + before.hex())
    await db.execute("delete from trading.events where sequence > 1")
    (finding,) = (await log.check_events(db, CHAIN_ID)).findings
    assert (finding.subject, finding.actual) == (f"rows 2 to {number}", "nothing")


def word(number: int) -> str:
    return "0x" + number.to_bytes(32, "big").hex()


class Ranges:
    """A node that answers about ten blocks at once."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    async def call(self, method: str, *params: Any) -> Any:
        (wanted,) = params
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        if last - first >= 10:
            raise RpcError(method, {"code": -32_005, "message": "too many blocks"})
        self.asked.append((first, last))
        return [
            {
                "topics": [wanted["topics"][0], word(zone), word(number)],
                "data": word(number) + "00" * 64,
                "blockNumber": hex(number),
            }
            for zone, number in ((ZONES[EVENTS], 7), (ZONES[AUDIT_LOGS], 70), (ZONES[AUDIT_LOGS], 71))
            if first <= number <= last
        ]

    async def batch(self, calls: Any) -> list[Any]:
        raise AssertionError("anchors are asked for one range at a time")


async def test_on_chain__node_that_answers_about_few_blocks__is_asked_about_fewer() -> None:
    rpc = Ranges()
    found = await anchors.on_chain(rpc, b"\x12" * 20, 5, 100)
    assert found == {
        EVENTS: [Anchor(7, (7).to_bytes(32, "big"), 7)],
        AUDIT_LOGS: [Anchor(number, number.to_bytes(32, "big"), number) for number in (70, 71)],
    }
    assert rpc.asked[0][0] == 5
    assert rpc.asked[-1][1] == 100
    assert all(before[1] + 1 == after[0] for before, after in zip(rpc.asked, rpc.asked[1:], strict=False))
    found[EVENTS].pop()
    (finding,) = anchors.mirror_findings(AUDIT_LOGS, found[AUDIT_LOGS], found[AUDIT_LOGS][:1])
    assert finding.subject == f"{AUDIT_LOGS} row 71 anchor in block 71"
