from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.client import ApiProblem
from contracts.typed_data import Reading, address_of, reading_digest, sign
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    METER_KEY,
    NOW_S,
    OPERATOR_KEY,
    Market,
    api_config,
    clear_account,
)

pytestmark = pytest.mark.integration

UNTIL = datetime.fromtimestamp(NOW_S + 86_400, UTC)


async def test_register__by_the_operator__becomes_one_transaction_per_request(market: Market) -> None:
    async with market.client(OPERATOR_KEY) as operator:
        await operator.sign_in()

        async def register(request_id: str) -> int:
            accepted = await operator.register(
                address_of(ALICE_KEY), roles=["producer"], kyc_until=UNTIL, country=276, request_id=request_id
            )
            return accepted.outbox_id

        assert await register("a") == await register("a")
        assert await register("b") != await register("a")
        assert (await operator.transaction(await register("a"))).kind == "set_participant"


async def test_register_meter__twice_with_other_particulars__is_a_conflict(market: Market) -> None:
    async with market.client(OPERATOR_KEY) as operator:
        await operator.sign_in()

        async def register(fuse_w: int) -> None:
            await operator.register_meter(
                5,
                owner=address_of(ALICE_KEY),
                kind="plant",
                plant_id="roof",
                zone=1,
                driver="modbus",
                device="eastron-sdm120",
                address="modbus-tcp://127.0.0.1:1/1",
                key=address_of(METER_KEY),
                fuse_w=fuse_w,
            )

        await register(10_000)
        await register(10_000)
        with pytest.raises(ApiProblem) as caught:
            await register(20_000)
        assert (caught.value.status, caught.value.code) == (409, "meter-exists")


async def test_deposit__by_own_permit__is_queued_and_the_next_nonce_grows(market: Market) -> None:
    async with market.client(ALICE_KEY) as alice:
        await alice.sign_in()
        assert (await alice.permit(5)).nonce == 0
        accepted = await alice.deposit(5_000_000)
        transaction = await alice.transaction(accepted.outbox_id)
        assert (transaction.kind, transaction.state) == ("deposit", "queued")
        assert (await alice.permit(5)).nonce == 1


async def test_deposit__permit_signed_by_another__is_refused(market: Market) -> None:
    async with market.client(ALICE_KEY) as alice, market.http() as http:
        terms = (await http.get("/v1/deposits/permit", params={"account": alice.address, "amount": "5"})).json()
        body = {
            "account": alice.address,
            "amount": "5",
            "nonce": terms["nonce"],
            "deadline": terms["deadline"],
            "signature": "0x" + sign(bytes(32), BOB_KEY).hex(),
        }
        response = await http.post("/v1/deposits", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "wrong-signer")


async def test_mandate__signed_by_its_account__is_queued_once_per_nonce(market: Market) -> None:
    async with market.client(ALICE_KEY) as alice:
        first = await alice.set_mandate(budget_per_slot=1, budget=2, expiry=UNTIL, nonce=1)
        again = await alice.set_mandate(budget_per_slot=1, budget=2, expiry=UNTIL, nonce=1)
        assert first == again


async def test_faucet__off_the_devnet__is_not_there(tmp_path: Path, database_url: str, redis_url: str) -> None:
    app = create_app(api_config(tmp_path, database_url, redis_url, GRIDTRACE_DEVNET="0"))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://market.test") as http:
            body = {"account": "0x" + "11" * 20, "amount": "1"}
            response = await http.post("/v1/faucet", json=body, headers={"Idempotency-Key": "a"})
    assert (response.status_code, response.json()["code"]) == (404, "not-found")


async def test_readings__pushed_and_signed_by_the_device__are_judged_one_by_one(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=3)
    start = NOW_S - 1_000

    def reading(counter: int, import_wh: int) -> Reading:
        return Reading(3, start + counter * 60, counter, import_wh, 0, 500)

    def signed(made: Reading, key: bytes = METER_KEY) -> tuple[Reading, bytes]:
        return made, sign(reading_digest(made), key)

    good, fallen, forged = reading(1, 100), reading(2, 50), reading(3, 120)
    async with market.client(ALICE_KEY) as alice:
        results = await alice.send_readings([signed(good), signed(fallen), signed(forged, BOB_KEY)])
    assert [(result.state, result.code) for result in results] == [
        ("VALIDATED", None),
        ("REFUSED", "register-fell"),
        ("REFUSED", "wrong-signer"),
    ]


async def test_min_block__index_not_there_yet__is_409_and_says_when_to_ask_again(market: Market) -> None:
    async with market.http() as http:
        assert (await http.get("/v1/status?min_block=100")).status_code == 200
        response = await http.get("/v1/status?min_block=101")
    assert (response.status_code, response.json()["code"]) == (409, "index-behind")
    assert response.headers["retry-after"] == "1"


async def test_slots__at_a_time__are_open_until_the_gate(market: Market) -> None:
    async with market.client(ALICE_KEY) as alice:
        slots = await alice.slots()
    now = datetime.fromtimestamp(NOW_S, UTC)
    assert [slot.state for slot in slots] == ["closed", "open", "open", "open", "open"]
    assert slots[0].delivery_start == now
    assert all(slot.delivery_start - slot.gate_closes_at == timedelta(seconds=300) for slot in slots)
