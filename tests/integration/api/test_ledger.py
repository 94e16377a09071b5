"""The mirrored chain and the auditor's looks as the API tells them."""

import pytest

from contracts.abi import artifact
from contracts.typed_data import address_of, checksum
from indexer import facts
from indexer.db import connect
from indexer.manifest import Contract, Manifest
from tests.integration.api.conftest import ALICE_KEY, CHAIN_ID, EXCHANGE, NOW_S, Market, index_events

pytestmark = pytest.mark.integration

ALICE = address_of(ALICE_KEY)


@pytest.fixture
async def mirrored(market: Market) -> Market:
    """Three deposits in two blocks, and a nonce raised."""
    contract = Contract("SettlementExchange", EXCHANGE, artifact("SettlementExchange").abi)
    connection = await connect(market.database_url)
    try:
        await facts.ensure(connection, Manifest(CHAIN_ID, 1, (contract,)))
    finally:
        await connection.close()
    for block, log_index in ((50, 0), (50, 7), (60, 2)):
        await market.execute(
            "insert into blockchain.fact_settlement_exchange_deposited "
            "(chain_id, block_number, log_index, transaction_hash, block_time, emitter, account, cash, energy_wh) "
            "values ($1, $2, $3, $4, to_timestamp($5), $6, $7, $8, 0)",
            CHAIN_ID,
            block,
            log_index,
            bytes(32),
            float(NOW_S),
            EXCHANGE,
            ALICE,
            10**20 + log_index,
        )
    await market.execute(
        "insert into blockchain.fact_settlement_exchange_nonce_raised "
        "(chain_id, block_number, log_index, transaction_hash, block_time, emitter, account, min_nonce) "
        "values ($1, 55, 1, $2, to_timestamp($3), $4, $5, 9)",
        CHAIN_ID,
        bytes(32),
        float(NOW_S),
        EXCHANGE,
        ALICE,
    )
    return market


async def test_events__of_several_contracts_events__come_newest_first_with_exact_numbers(mirrored: Market) -> None:
    async with mirrored.http() as http:
        items = (await http.get("/v1/ledger/events")).json()["items"]
    assert [(item["block_number"], item["log_index"], item["event"]) for item in items] == [
        (60, 2, "Deposited"),
        (55, 1, "NonceRaised"),
        (50, 7, "Deposited"),
        (50, 0, "Deposited"),
    ]
    assert items[0]["arguments"] == {"account": checksum(ALICE), "cash": "100000000000000000002", "energyWh": "0"}


async def test_events__in_pages__come_all_once(mirrored: Market) -> None:
    seen = []
    cursor: str | None = ""
    async with mirrored.http() as http:
        while cursor is not None:
            page = (await http.get("/v1/ledger/events?limit=1" + (f"&cursor={cursor}" if cursor else ""))).json()
            seen += [(item["block_number"], item["log_index"]) for item in page["items"]]
            cursor = page["next_cursor"]
    assert seen == [(60, 2), (55, 1), (50, 7), (50, 0)]


async def test_events__of_one_event__leave_the_others_out(mirrored: Market) -> None:
    async with mirrored.http() as http:
        raised = (await http.get("/v1/ledger/events?contract=SettlementExchange&event=NonceRaised")).json()["items"]
        nothing = (await http.get("/v1/ledger/events?event=Nothing")).json()["items"]
        refused = await http.get("/v1/ledger/events?event=x'--")
    assert [item["event"] for item in raised] == ["NonceRaised"]
    assert nothing == []
    assert refused.status_code == 422


async def look(market: Market, zone: int, slot: int, version: int, differences: int) -> None:
    await market.execute(
        "insert into audit.slot_checks (zone, delivery_start, version, differences, block_number) "
        "values ($1, to_timestamp($2), $3, $4, 1)",
        zone,
        float(NOW_S + slot * 900),
        version,
        differences,
    )


async def test_slot_checks__of_two_zones_in_pages__come_all_once_in_their_newest_version(market: Market) -> None:
    for zone in (1, 2):
        for slot in (0, 1):
            await look(market, zone, slot, 0, 0)
    await look(market, 1, 0, 1, 3)
    seen = []
    cursor: str | None = ""
    async with market.http() as http:
        while cursor is not None:
            page = (await http.get("/v1/audit/slots?limit=1" + (f"&cursor={cursor}" if cursor else ""))).json()
            seen += [(item["delivery_start"][11:16], item["zone"], item["version"]) for item in page["items"]]
            cursor = page["next_cursor"]
    assert seen == [("08:15", 2, 0), ("08:15", 1, 0), ("08:00", 2, 0), ("08:00", 1, 1)]
    assert (page["differences"], page["slots_checked"]) == (3, 5)


async def test_anchors__of_both_logs_in_pages__say_where_they_stand_on_chain(market: Market) -> None:
    await index_events(market)
    for day, log, sequence in ((1, "audit.audit_logs", 7), (1, "trading.events", 9), (2, "audit.audit_logs", 8)):
        await market.execute(
            "with asked as (insert into wallet.outbox (key, kind, sender, target, calldata)"
            " values ($1, 'anchor', $2, $2, '') returning id)"
            " insert into audit.anchors (log, day, sequence, hash, outbox_id)"
            " select $3, make_date(2026, 1, $4), $5, sha256($1::text::bytea), id from asked",
            *(f"{log}:{sequence}", bytes(20), log, day, sequence),
        )
    await market.execute(
        "insert into blockchain.fact_production_ledger_registers_attested (chain_id, block_number, log_index,"
        " transaction_hash, block_time, emitter, zone, slot_end, readings_root, registers)"
        " values ($1, 5, 0, $2, now(), $3, 4294967294, 9, sha256('trading.events:9'), '')",
        *(CHAIN_ID, bytes(32), bytes(20)),
    )
    seen = []
    cursor: str | None = ""
    async with market.http() as http:
        while cursor is not None:
            page = (await http.get("/v1/audit/anchors?limit=1" + (f"&cursor={cursor}" if cursor else ""))).json()
            seen += page["items"]
            cursor = page["next_cursor"]
        only = (await http.get("/v1/audit/anchors?log=trading.events")).json()["items"]
        foreign = await http.get("/v1/audit/anchors?log=trading.trades")
    assert [(item["day"], item["log"], item["sequence"], item["block_number"]) for item in seen] == [
        ("2026-01-02", "audit.audit_logs", 8, None),
        ("2026-01-01", "trading.events", 9, 5),
        ("2026-01-01", "audit.audit_logs", 7, None),
    ]
    assert (only, foreign.status_code) == ([seen[1]], 422)


async def test_cursor__of_another_list_or_a_history_that_is_gone__is_refused(mirrored: Market) -> None:
    async with mirrored.http() as http:
        cursor = (await http.get("/v1/ledger/events?limit=1")).json()["next_cursor"]
        foreign = await http.get(f"/v1/ledger/blocks?cursor={cursor}")
        filtered = await http.get(f"/v1/ledger/events?event=Deposited&cursor={cursor}")
        await mirrored.execute("update blockchain.cursors set reorg_epoch = reorg_epoch + 1")
        stale = await http.get(f"/v1/ledger/events?limit=1&cursor={cursor}")
    assert [(r.status_code, r.json()["code"]) for r in (foreign, filtered)] == [(422, "cursor-invalid")] * 2
    assert (stale.status_code, stale.json()["code"]) == (409, "cursor-stale")


async def test_events__had_already__are_304(mirrored: Market) -> None:
    async with mirrored.http() as http:
        first = await http.get("/v1/ledger/events")
        mirrored.clock.time_s += 5  # only the age of the answer changes
        again = await http.get("/v1/ledger/events", headers={"If-None-Match": first.headers["etag"]})
        await mirrored.execute("update blockchain.cursors set reorg_epoch = reorg_epoch + 1")
        changed = await http.get("/v1/ledger/events", headers={"If-None-Match": first.headers["etag"]})
    assert [r.status_code for r in (first, again, changed)] == [200, 304, 200]
