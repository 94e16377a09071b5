"""Keys of meters: replaced and revoked by who owns the meter, at once and for ever."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from contracts.typed_data import Reading, address_of, checksum, reading_digest, sign
from indexer.db import connect
from node.audit.metered import check_readings
from node.metering import keys, service
from node.metering.readings import SignedReading
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    METER_KEY,
    NOW_S,
    OPERATOR_KEY,
    Market,
    clear_account,
)

pytestmark = pytest.mark.integration

PATH = "/v1/meters/1/keys"
OLD, NEW_KEY = checksum(address_of(METER_KEY)), bytes(31) + b"\x0a"
NEW = checksum(address_of(NEW_KEY))


async def signed_in(market: Market, key: bytes) -> httpx.AsyncClient:
    async with market.client(key) as client:
        return market.http((await client.sign_in()).session_token)


async def push(market: Market, key: bytes, counter: int, time_s: int, import_wh: int = 0) -> tuple[str, str | None]:
    reading = Reading(1, time_s, counter, import_wh, 0, 0)
    body = {
        "meter_id": 1,
        "time": datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "counter": str(counter),
        "import_wh": str(import_wh),
        "export_wh": "0",
        "power_w": "0",
        "signature": "0x" + sign(reading_digest(reading), key).hex(),
    }
    async with market.http() as device:
        (result,) = (await device.post("/v1/readings:batch", json={"readings": [body]})).json()["results"]
    return result["state"], result["code"]


async def audited(market: Market) -> tuple[Any, ...]:
    """What the auditor finds in the readings that were taken."""
    db = await connect(market.database_url)
    try:
        rows = await db.fetch(
            'select meter_id, extract(epoch from "time")::bigint, counter, import_wh, export_wh, power_w, signature'
            ' from telemetry.readings where state = $1 order by "time"',
            "VALIDATED",
        )
        meters = {meter.meter_id: meter for meter in await service.meters(db, active=False)}
        signed = [SignedReading.recovered(Reading(*row[:6]), row[6]) for row in rows]
        return check_readings(signed, meters, await keys.former(db, list(meters))).findings
    finally:
        await db.close()


async def test_key__rotated__signs_at_once_with_a_counter_of_its_own_and_the_former_never_again(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    alice = await signed_in(market, ALICE_KEY)
    assert await push(market, METER_KEY, 70, NOW_S - 30, 5) == ("VALIDATED", None)
    assert await push(market, NEW_KEY, 71, NOW_S - 29, 5) == ("REFUSED", "wrong-signer")

    answer = await alice.post(PATH, json={"key": NEW})
    assert (answer.status_code, answer.json()["key"]) == (201, NEW)
    again = await alice.post(PATH, json={"key": NEW})
    assert again.json() == answer.json()
    market.clock.time_s += 60
    assert await push(market, METER_KEY, 80, NOW_S + 10, 5) == ("REFUSED", "key-revoked")
    assert await push(market, NEW_KEY, 0, NOW_S + 20, 4) == ("REFUSED", "register-fell")
    assert await push(market, NEW_KEY, 1, NOW_S + 21, 6) == ("VALIDATED", None)
    assert await push(market, NEW_KEY, 1, NOW_S + 22, 6) == ("REFUSED", "counter-not-growing")
    assert await audited(market) == ()

    items = (await alice.get(PATH)).json()["items"]
    assert [(item["key"], item["until"] is None) for item in items] == [(NEW, True), (OLD, False)]
    assert (await alice.post(PATH, json={"key": OLD})).json()["code"] == "meter-key-revoked"
    told = (await alice.get(f"/v1/transactions/{answer.json()['outbox_id']}")).status_code
    assert told in (200, 404)


async def test_key__revoked__leaves_the_meter_without_one_until_it_has_another(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    alice, operator = await signed_in(market, ALICE_KEY), await signed_in(market, OPERATOR_KEY)
    assert await push(market, METER_KEY, 1, NOW_S - 30) == ("VALIDATED", None)
    assert (await operator.delete(f"{PATH}/{OLD}")).status_code == 204
    assert await push(market, METER_KEY, 2, NOW_S - 20) == ("REFUSED", "key-revoked")
    assert [item["until"] is None for item in (await alice.get(PATH)).json()["items"]] == [False]
    for key in (OLD, NEW):
        assert (await alice.delete(f"{PATH}/{key}")).json()["code"] == "meter-key-not-found"
    assert (await alice.post(PATH, json={"key": OLD})).json()["code"] == "meter-key-revoked"
    assert (await alice.post(PATH, json={"key": NEW})).status_code == 201
    assert await push(market, NEW_KEY, 1, NOW_S - 10) == ("VALIDATED", None)


async def test_key__reading_forged_with_a_revoked_one_in_the_database__is_found(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    alice = await signed_in(market, ALICE_KEY)
    assert await push(market, METER_KEY, 1, NOW_S - 30) == ("VALIDATED", None)
    await alice.delete(f"{PATH}/{OLD}")
    reading = Reading(1, NOW_S + 500, 2, 1, 0, 0)
    await market.execute(
        'insert into telemetry.readings (meter_id, "time", counter, import_wh, export_wh, signature, signer)'
        " values (1, to_timestamp($1), 2, 1, 0, $2, $3)",
        reading.time,
        sign(reading_digest(reading), METER_KEY),
        address_of(METER_KEY),
    )
    assert [finding.kind for finding in await audited(market)] == ["reading"]


async def test_keys__of_another__are_not_there(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    bob = await signed_in(market, BOB_KEY)
    answers = [
        await bob.get(PATH),
        await bob.post(PATH, json={"key": NEW}),
        await bob.delete(f"{PATH}/{OLD}"),
        await bob.post("/v1/meters/99/keys", json={"key": NEW}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not-found")] * 4
    async with market.client(ALICE_KEY) as alice:
        await alice.sign_in()
        assert [key.key for key in await alice.meter_keys(1)] == [OLD]
        assert (await alice.rotate_meter_key(1, NEW)).key == NEW
        await alice.revoke_meter_key(1, NEW)
        assert [key.until is None for key in await alice.meter_keys(1)] == [False, False]
