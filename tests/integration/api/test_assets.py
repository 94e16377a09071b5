"""Owner, registrar and two investors through the API alone, on a chain: enter, sell, distribute, claim."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.client import Client
from api.rest import asset_documents
from contracts.abi import encode_call
from contracts.typed_data import address_of, checksum
from node import asset_jobs
from node.assets.papers import ENTRY_BYTES, MAX_ASSET_BYTES
from node.audit import assets as audit
from node.cache import Cache
from node.documents.cid import Cid
from node.outbox import HttpRpc
from tests.integration.api.conftest import BASE_URL, api_config
from tests.integration.node.assets.stage import ALICE, BOB, CHAIN_ID, OPERATOR, OWNER, Stage, open_stage
from tests.integration.node.assets.test_on_chain import pay_in_fields, settled_day

pytestmark = pytest.mark.integration

PLANT = {
    "owner": checksum(address_of(OWNER)),
    "plant_id": "sun-hill",
    "name": "Sun Hill",
    "symbol": "SUN",
    "supply": "1000",
    "capacity_kw": "99.50",
    "location_lat": "47.37",
    "location_lon": "8.54",
}
APPLICATION = {
    "email": "alice@example.org",
    "full_name": "Alice Example",
    "country_code": "CH",
    "phone": "+41 44 668 18 00",
    "document_type": "passport",
    "document_number": "X1234567",
}


class Door:
    """The API as one person sees it."""

    def __init__(self, http: httpx.AsyncClient, key: bytes) -> None:
        self.http = http
        self.key = key

    async def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = await self.http.request(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.content


class House:
    """A node, its chain, and the API before them."""

    def __init__(self, stage: Stage, transport: httpx.ASGITransport, folder: Path, cache: Cache) -> None:
        self.cache = cache
        self.stage = stage
        self.transport = transport
        self.folder = folder

    async def door(self, key: bytes | None = None) -> Door:
        headers = {}
        if key is not None:
            async with Client(BASE_URL, key, transport=self.transport) as client:
                headers["Authorization"] = f"Bearer {(await client.sign_in()).session_token}"
        return Door(httpx.AsyncClient(base_url=BASE_URL, transport=self.transport, headers=headers), key or b"")

    async def mined(self, accepted: Any) -> None:
        await self.stage.mined(accepted["outbox_id"])

    async def follow(self) -> None:
        """What the node's job does every second."""

        class Told:
            async def publish(self, channel: str, message: dict[str, Any]) -> None:
                assert channel in ("assets", "notifications")

        class Node:
            pool, chain, bus, cache = self.stage.pool, self.stage.chain, Told(), self.cache

        await asset_jobs.follow_assets(Node())  # type: ignore[arg-type]


@pytest.fixture
async def house(database_url: str, redis_url: str, anvil: Any, tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "sealing").write_text("0x" + "5a" * 32)
    async with open_stage(database_url, anvil, tmp_path) as stage:
        config = api_config(
            tmp_path,
            database_url,
            redis_url,
            RPC_URL=anvil.url,
            GRIDTRACE_OPERATOR=checksum(address_of(OPERATOR)),
            GRIDTRACE_OPERATORS=checksum(address_of(OPERATOR)),
            GRIDTRACE_DOCUMENTS_DIR=str(tmp_path / "documents"),
            GRIDTRACE_SEALING_KEY_FILE=str(tmp_path / "sealing"),
        )
        stage.chain.deployment.dump(tmp_path / "deployment.json")
        app = create_app(config)
        async with app.router.lifespan_context(app):
            cache = Cache(redis_url)
            yield House(stage, httpx.ASGITransport(app, raise_app_exceptions=False), tmp_path, cache)
            await cache.close()


async def buy(house: House, asset_id: str, person: Door, fractions: int) -> None:
    """Asks for the terms, signs, sends."""
    query = {"account": checksum(address_of(person.key)), "fractions": str(fractions)}
    terms = await person.call("GET", f"/v1/assets/{asset_id}/purchases/terms", params=query)
    token, cost = bytes.fromhex(terms["token"][2:]), int(terms["cost"])
    deadline = int(datetime.fromisoformat(terms["deadline"]).timestamp())
    await house.stage.fund(person.key, cost)
    wanted, signature, permit = house.stage.purchase(person.key, token, fractions, cost, deadline=deadline)
    assert (wanted.nonce, permit.nonce) == (int(terms["nonce"]), int(terms["permit_nonce"]))
    body = {
        "buyer": query["account"],
        "fractions": str(fractions),
        "max_cost": str(cost),
        "nonce": terms["nonce"],
        "deadline": terms["deadline"],
        "signature": "0x" + signature.hex(),
        "permit": {
            "value": str(permit.value),
            "nonce": terms["permit_nonce"],
            "deadline": terms["deadline"],
            "signature": "0x" + permit.signature.hex(),
        },
    }
    accepted = await person.call("POST", f"/v1/assets/{asset_id}/purchases", 202, json=body)
    assert await person.call("POST", f"/v1/assets/{asset_id}/purchases", 202, json=body) == accepted
    await house.mined(accepted)


async def test_asset__from_application_to_claim__through_the_api(house: House) -> None:
    registrar, owner, alice, bob = [await house.door(key) for key in (OPERATOR, OWNER, ALICE, BOB)]
    nobody = await house.door()

    # Clearance: applied for, decided, on chain. The chain and the lists see no personal data.
    for person in (owner, alice, bob):
        application = APPLICATION | {"email": f"{person.key.hex()[-4:]}@example.org"}
        mine = await person.call("PUT", "/v1/kyc/application", json=application)
        assert (mine["phone"], mine["document_number"], mine["kyc_status"]) == ("…8 00", "…", "pending")
    queue = (await registrar.call("GET", "/v1/kyc/applications"))["items"]
    assert len(queue) == 3
    await alice.call("GET", "/v1/kyc/applications", 403)
    until = (datetime.now(UTC) + timedelta(days=365)).replace(microsecond=0)
    for entry in queue:
        accepted = await registrar.call(
            "POST",
            f"/v1/kyc/applications/{entry['user_id']}/approval",
            202,
            json={"cleared_until": until.isoformat(), "applied_at": entry["applied_at"]},
            headers={"Idempotency-Key": entry["user_id"]},
        )
        await house.mined(accepted)
    whole = await alice.call("GET", "/v1/kyc/personal-data")
    assert (whole["phone"], whole["document_number"]) == (APPLICATION["phone"], APPLICATION["document_number"])
    async with house.stage.pool.acquire() as db:
        kept = await db.fetch("select p::text as row from identity.user_profiles p")
    assert not any(APPLICATION["document_number"] in row["row"] for row in kept)

    # The plant, its papers, its token.
    await owner.call("POST", "/v1/assets", 403, json=PLANT)
    asset = (await registrar.call("POST", "/v1/assets", 201, json=PLANT))["asset"]
    await registrar.call("POST", "/v1/assets", 409, json=PLANT)
    papers = f"/v1/assets/{asset['id']}/documents"
    deed = b"%PDF-1.7 the deed" + bytes(3_000_000)
    await alice.call("PUT", f"{papers}/legal/deed.pdf", 403, content=deed)
    await owner.call("PUT", f"{papers}/legal/deed.pdf", 422, content=b"<script>")
    await owner.call("PUT", f"{papers}/legal/deed.exe", 422, content=deed)
    put = await owner.call("PUT", f"{papers}/legal/deed.pdf", 201, content=deed)
    await owner.call("PUT", f"{papers}/media/roof.png", 201, content=b"\x89PNG\r\n\x1a\n")
    assert Cid.parse(put["cid"]).digest
    await house.mined(await registrar.call("POST", f"/v1/assets/{asset['id']}/token", 202))
    await house.follow()
    asset = (await nobody.call("GET", f"/v1/assets/{asset['id']}"))["asset"]
    listed = await nobody.call("GET", papers)
    assert (asset["status"], listed["is_anchored"]) == ("active", True)
    assert await nobody.call("GET", f"{papers}/media/roof.png") == b"\x89PNG\r\n\x1a\n"
    deed_cid = {item["path"]: item["cid"] for item in (await owner.call("GET", papers))["items"]}["legal/deed.pdf"]
    assert deed_cid == put["cid"]
    assert {item["path"]: item["cid"] for item in listed["items"]}["legal/deed.pdf"] is None
    for stranger in (nobody, alice):
        await stranger.call("GET", f"{papers}/legal/deed.pdf", 404)
    assert await owner.call("GET", f"{papers}/legal/deed.pdf") == deed
    near = await nobody.call("GET", "/v1/assets:nearest?lat=47.4&lon=8.5&radius_m=10000")
    assert [item["id"] for item in near["items"]] == [asset["id"]]
    assert (await nobody.call("GET", "/v1/assets:nearest?lat=47.4&lon=8.5&radius_m=1000"))["items"] == []

    # The sale.
    token = bytes.fromhex(asset["token"][2:])
    offer = encode_call("AssetToken", "setOffer", 2_000_000, 500, int(time.time()) + 3_600)
    await house.stage.as_wallet(OWNER, token, offer)
    await buy(house, asset["id"], alice, 200)
    await buy(house, asset["id"], bob, 100)
    assert await alice.call("GET", f"{papers}/legal/deed.pdf") == deed
    table = await bob.call("GET", f"/v1/assets/{asset['id']}/holders")
    assert [item["fractions"] for item in table["items"]] == ["700", "200", "100"]
    await nobody.call("GET", f"/v1/assets/{asset['id']}/holders", 401)

    # Revenue.
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    await settled_day(house.stage, day, 1_000_000_000)
    period = {"period_start": str(day.date()), "period_end": str((day + timedelta(days=1)).date())}
    made = await registrar.call("POST", f"/v1/assets/{asset['id']}/distributions", 201, json=period)
    distribution = made["distribution"]
    assert (distribution["amount"], distribution["status"]) == ("1000000", "pending")
    await registrar.call("POST", f"/v1/assets/{asset['id']}/distributions", 409, json=period)
    deposit = f"/v1/distributions/{distribution['id']}/deposit"
    await house.stage.fund(OWNER, 1_000_000)
    body = pay_in_fields(house.stage, token, distribution["id"], 1_000_000)
    await owner.call("POST", deposit, 409, json=body)
    await owner.call("POST", f"/v1/distributions/{distribution['id']}/decision", 403, json={"decision": "approve"})
    await registrar.call("POST", f"/v1/distributions/{distribution['id']}/decision", json={"decision": "approve"})
    await house.mined(await owner.call("POST", deposit, 202, json=body))
    await house.follow()
    (paid,) = (await nobody.call("GET", f"/v1/distributions?asset_id={asset['id']}"))["items"]
    assert paid["status"] == "distributed"

    told = (await alice.call("GET", "/v1/notifications"))["items"]
    assert {(item["kind"], item["detail"]["status"]) for item in told} == {
        ("purchase", "bought"),
        ("distribution", "distributed"),
    }
    until_told = {"until": told[0]["notification_id"]}
    assert (await alice.call("POST", "/v1/notifications/read", json=until_told))["marked"] == len(told)
    assert (await house.cache.entries(f"asset:{asset['id']}:events"))[0]["kind"] == "distribution"
    span = f"start={day:%Y-%m-%d}T00:00:00Z&end={day + timedelta(days=1):%Y-%m-%d}T00:00:00Z"
    weather = {"items": [{"time": day.isoformat(), "irradiance": "800", "temperature": "21.5"}]}
    await alice.call("POST", f"/v1/assets/{asset['id']}/weather", 403, json=weather)
    assert await owner.call("POST", f"/v1/assets/{asset['id']}/weather", json=weather) == {"taken": 1}
    (step,) = (await nobody.call("GET", f"/v1/assets/{asset['id']}/production?{span}"))["items"]
    assert (step["energy_wh"], step["performance_ratio"]) == ("5000", "0.0628")
    await nobody.call("GET", f"/v1/assets/{asset['id']}/production?{span}&step=slot")

    mine = await alice.call("GET", "/v1/portfolio")
    assert (mine["claimable"], mine["invested"]) == ("200000", "400000000")
    claim = await alice.call("POST", f"/v1/assets/{asset['id']}/claims", 202, headers={"Idempotency-Key": "one"})
    await house.mined(claim)
    mine = await alice.call("GET", "/v1/portfolio")
    assert (mine["claimable"], mine["claimed"]) == ("0", "200000")
    assert mine["items"][0]["yield_bp"] == 1_000_000 * 365 * 10_000 // (1_000 * 2_000_000)
    paid_out = f"/v1/assets/{asset['id']}/payouts"
    await alice.call("POST", paid_out, 403, headers={"Idempotency-Key": "all"})
    await house.mined(await registrar.call("POST", paid_out, 202, headers={"Idempotency-Key": "all"}))
    assert (await bob.call("GET", "/v1/portfolio"))["claimable"] == "0"
    (best,) = (await nobody.call("GET", "/v1/assets:leaders"))["items"]
    assert (best["asset_id"], best["yearly"]) == (asset["id"], 0.1825)
    ranked = (await registrar.call("GET", "/v1/investors:leaders"))["items"]
    assert [item["invested"] for item in ranked] == [400.0, 200.0]
    await alice.call("GET", "/v1/investors:leaders", 403)
    async with house.stage.pool.acquire() as db, db.transaction(isolation="repeatable_read"):
        rpc = HttpRpc([house.stage.anvil.url])
        assert await audit.check_assets(db, rpc, CHAIN_ID) == []
        await rpc.close()
    await bob.call("GET", f"/v1/portfolio?account={checksum(address_of(ALICE))}", 404)
    (bought,) = (await alice.call("GET", "/v1/investments"))["items"]
    assert (bought["fractions"], bought["cost"]) == ("200", "400000000")

    # A paper altered on the disk is never served, and the check names it.
    (victim,) = (
        path for path in _files(house.folder / "documents") if path.name == Cid.parse(listed_cid(listed)).digest.hex()
    )
    await asyncio.to_thread(victim.write_bytes, b"another picture")
    await nobody.call("GET", f"{papers}/media/roof.png", 500)
    checked = await owner.call("POST", f"{papers}/media/roof.png/check")
    assert [fault["code"] for fault in checked["faults"]] == ["block-altered"]

    await alice.call("DELETE", "/v1/kyc/personal-data", 204)
    await alice.call("GET", "/v1/kyc/application", 404)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def listed_cid(listed: Any) -> str:
    return str(next(item["cid"] for item in listed["items"] if item["path"] == "media/roof.png"))


async def test_papers__one_upload_at_a_time__and_no_more_than_fits(house: House) -> None:
    registrar, owner = [await house.door(key) for key in (OPERATOR, OWNER)]
    asset = (await registrar.call("POST", "/v1/assets", 201, json=PLANT))["asset"]
    papers = f"/v1/assets/{asset['id']}/documents"
    begun, over = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first, "
        begun.set()
        await over.wait()
        yield b"last"

    first = asyncio.create_task(owner.call("PUT", f"{papers}/media/slow.txt", 201, content=slow()))
    await begun.wait()
    refused = await owner.call("PUT", f"{papers}/media/other.txt", 409, content=b"x")
    assert refused["code"] == "upload-under-way"
    over.set()
    assert (await first)["size_bytes"] == len("first, last")
    await owner.call("PUT", f"{papers}/media/other.txt", 201, content=b"x")

    # Of a hundred bytes that are left, a body that says it has more is refused unread.
    async with house.stage.pool.acquire() as db:
        await db.execute(
            "update assets.asset_documents set size_bytes = $1, total_bytes = $1 where file_name = 'slow.txt'",
            MAX_ASSET_BYTES - 3 * ENTRY_BYTES - 101,
        )

    read = []

    async def watched() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"x" * 101

    headers = {"Content-Length": "101"}
    answer = await owner.call("PUT", f"{papers}/media/more.txt", 413, content=watched(), headers=headers)
    assert (answer["code"], read) == ("file-too-large", [])
    answer = await owner.call("PUT", f"{papers}/media/more.txt", 413, content=_in_pieces(b"x" * 101))
    assert answer["code"] == "file-too-large"
    await owner.call("PUT", f"{papers}/media/more.txt", 201, content=b"x" * 100)
    answer = await owner.call("PUT", f"{papers}/media/even-more.txt", 409, content=b"x")
    assert answer["code"] == "papers-full"


async def _in_pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_upload__too_slow__is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    registrar, owner = [await house.door(key) for key in (OPERATOR, OWNER)]
    asset = (await registrar.call("POST", "/v1/assets", 201, json=PLANT))["asset"]
    monkeypatch.setattr(asset_documents, "UPLOAD_S", 0.1)

    async def endless() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(30)

    path = f"/v1/assets/{asset['id']}/documents/media/slow.txt"
    assert (await owner.call("PUT", path, 408, content=endless()))["code"] == "upload-too-slow"
    await owner.call("PUT", path, 408, content=endless())  # and not: one is under way


async def test_assets__unknown__are_problems_with_codes(house: House) -> None:
    person = await house.door(ALICE)
    unknown = "00000000-0000-4000-8000-000000000000"
    for path in (f"/v1/assets/{unknown}", f"/v1/assets/{unknown}/documents", f"/v1/assets/{unknown}/holders"):
        assert (await person.call("GET", path, 404))["code"] == "asset-not-found"
    answer = await person.call("GET", f"/v1/assets/{unknown}/documents/media/x.png", 404)
    assert answer["code"] == "paper-not-found"
    answer = await person.call("POST", f"/v1/assets/{unknown}/claims", 404, headers={"Idempotency-Key": "x"})
    assert answer["code"] == "asset-not-found"
