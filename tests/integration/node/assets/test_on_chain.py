"""A plant becomes an asset, is sold in fractions, and pays its holders: on a chain, mirrored, and exact."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts.abi import encode_call
from contracts.typed_data import RevenueDeposit, address_of, checksum, revenue_deposit_digest, sign
from indexer.db import transaction
from node import outbox
from node.assets import investing, papers, registry, revenue
from node.assets.permit import DeadlineInvalid
from node.assets.registry import Asset, NewAsset, Place
from node.audit import assets as audit
from node.audit import service
from node.documents.blocks import FolderBlocks
from node.outbox import HttpRpc
from node.participants import WrongSigner
from tests.integration.node.assets.stage import ALICE, BOB, CHAIN_ID, OWNER, STRANGER, Stage, open_stage

pytestmark = pytest.mark.integration

PRICE = 2_000_000
SUPPLY = 1_000
SOLAR = NewAsset(
    owner=address_of(OWNER),
    plant_id="sun-hill",
    name="Sun Hill",
    symbol="SUN",
    supply=SUPPLY,
    asset_type="solar",
    capacity_kw=Decimal("99.50"),
    place=Place(Decimal("47.37"), Decimal("8.54")),
    commissioned_on=date(2024, 5, 1),
)


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.fixture
async def stage(database_url: str, anvil: Any, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_url, anvil, tmp_path) as opened:
        await opened.clear(OWNER, ALICE, BOB)
        yield opened


async def listed(stage: Stage, folder: Path, fractions: int = 600) -> Asset:
    """The plant on chain with a deed, some of its fractions on sale."""
    blocks = FolderBlocks(folder / "blocks")
    file = await papers.store(blocks, pieces(b"the deed"))
    async with transaction(stage.pool) as db:
        asset_id = await registry.register(db, SOLAR)
        await papers.attach(db, asset_id, "legal", "deed.pdf", file, SOLAR.owner)
        root = await papers.publish(papers.Shelves(blocks, blocks), await papers.papers(db, asset_id))
        sent = await registry.tokenise(db, stage.chain, asset_id, root.digest, papers.uri(root))
        assert await registry.tokenise(db, stage.chain, asset_id, root.digest, papers.uri(root)) == sent
    await stage.mined(sent)
    async with transaction(stage.pool) as db:
        assert (await registry.follow(db, CHAIN_ID)).assets == {asset_id}
        found = await registry.asset(db, CHAIN_ID, asset_id)
    assert found.token is not None
    assert (found.status, found.holders, found.documents_root) == ("active", 1, root.digest)
    until = int(time.time()) + 3_600
    await stage.as_wallet(OWNER, found.token, encode_call("AssetToken", "setOffer", PRICE, fractions, until))
    return await seen(stage, asset_id)


async def seen(stage: Stage, asset_id: UUID) -> Asset:
    async with stage.pool.acquire() as db:
        return await registry.asset(db, CHAIN_ID, asset_id)


async def buy(stage: Stage, asset: Asset, key: bytes, fractions: int) -> None:
    assert asset.token is not None
    await stage.fund(key, fractions * PRICE)
    purchase = stage.purchase(key, asset.token, fractions, fractions * PRICE)
    async with transaction(stage.pool) as db:
        sent = await investing.buy(db, stage.chain, asset.id, *purchase, datetime.now(UTC))
        assert await investing.buy(db, stage.chain, asset.id, *purchase, datetime.now(UTC)) == sent
    await stage.mined(sent)
    async with transaction(stage.pool) as db:
        assert (await investing.follow(db, CHAIN_ID)).assets == {asset.id}
        assert (await investing.follow(db, CHAIN_ID)).assets == set()


async def pay_in(stage: Stage, asset: Asset, distribution_id: UUID, amount: int) -> int:
    """The owner's signed payment, passed on."""
    assert asset.token is not None
    deadline = int(time.time()) + 600
    signed = RevenueDeposit(address_of(OWNER), amount, revenue.name_of(distribution_id), deadline)
    signature = sign(revenue_deposit_digest(CHAIN_ID, asset.token, signed), OWNER)
    permit = stage.permit(OWNER, asset.token, amount, deadline)
    async with transaction(stage.pool) as db:
        return await revenue.deposit(db, stage.chain, distribution_id, signed, signature, permit, datetime.now(UTC))


def pay_in_fields(stage: Stage, token: bytes, distribution_id: str, amount: int) -> dict[str, Any]:
    """The owner's signed payment as the API takes it."""
    deadline = int(time.time()) + 600
    signed = RevenueDeposit(address_of(OWNER), amount, revenue.name_of(UUID(distribution_id)), deadline)
    permit = stage.permit(OWNER, token, amount, deadline)
    until = datetime.fromtimestamp(deadline, UTC).isoformat()
    return {
        "depositor": checksum(address_of(OWNER)),
        "amount": str(amount),
        "deadline": until,
        "signature": "0x" + sign(revenue_deposit_digest(CHAIN_ID, token, signed), OWNER).hex(),
        "permit": {
            "value": str(amount),
            "nonce": str(permit.nonce),
            "deadline": until,
            "signature": "0x" + permit.signature.hex(),
        },
    }


async def settled_day(stage: Stage, day: datetime, nano: int, state: str = "settled") -> None:
    """One settled slot in which the plant brought ``nano``, written as the settlement writes it."""
    async with transaction(stage.pool) as db:
        await db.execute(
            "insert into telemetry.meters (meter_id, owner, kind, plant_id, zone, driver, device, address, key, fuse_w)"
            " values (7, $1, 'plant', 'sun-hill', 1, 'http', 'push', '', $1, 100000) on conflict do nothing",
            address_of(OWNER),
        )
        await db.execute(
            "insert into telemetry.slot_energy (meter_id, delivery_start, slot_s, import_register_wh,"
            " export_register_wh, import_wh, export_wh, state) values (7, $1, 900, 0, 5000, 0, 5000, 'VALIDATED')",
            day,
        )
        sold = await db.fetchval("select count(*) from trading.orders")
        digests = [sold.to_bytes(16, "big") + side * 16 for side in (b"b", b"s")]
        for number, (digest, trader, side) in enumerate(
            zip(digests, (b"\x0b" * 20, address_of(OWNER)), ("buy", "sell"), strict=True), sold + 1
        ):
            await db.execute(
                "insert into trading.orders (digest, sequence, trader, side, zone, delivery_start, energy_wh,"
                " limit_price_per_kwh, time_in_force, source, expiry, lane, nonce, signature, received_at)"
                " values ($1, $2::bigint, $3, $4, 1, $5, 4000, 1, 0, 0, 0, 1, $2::bigint, $6, $5)",
                digest,
                number,
                trader,
                side,
                day,
                bytes(65),
            )
        # Trades are whole prices a kWh: what they bring beside it is the imbalance.
        price, imbalance = (nano - 1_500) // 4_000, 1_500 + (nano - 1_500) % 4_000
        await db.execute(
            "insert into trading.trades (trade_number, zone, sell_zone, delivery_start, buy_order, sell_order, buyer,"
            " seller, energy_wh, price_per_kwh, fee_per_kwh, kind, settlement_status, executed_at)"
            " values ($1, 1, 1, $2, $3, $4, $5, $6, 4000, $7, 0, 'day_ahead', 'settled', $2)",
            sold,
            day,
            *digests,
            b"\x0b" * 20,
            address_of(OWNER),
            price,
        )
        settlement = await db.fetchval(
            "insert into trading.settlements (zone, zones, delivery_start, version, state, trades, traded_wh,"
            " delivered_wh, imbalance_wh, grid_exchange_wh, price_local_per_kwh, price_long_per_kwh,"
            " price_short_per_kwh, grid_fee_nano, residue_nano, readings_root, result_hash, final_at)"
            " values (1, '{1}', $1, 0, $2, 1, 4000, 4000, 1000, 0, 1, 1, 1, 0, 0, $3, $3, now())"
            " returning settlement_id",
            day,
            state,
            bytes(32),
        )
        await db.execute(
            "insert into trading.settlement_accounts (settlement_id, account, bought_wh, sold_wh, injection_wh,"
            " withdrawal_wh, imbalance_wh, netted_wh, trade_money_nano, grid_fee_nano, imbalance_money_nano, state)"
            " values ($1, $2, 0, 4000, 5000, 0, 1000, 0, $3, 0, $4, 'metered')",
            settlement,
            address_of(OWNER),
            4_000 * price,
            imbalance,
        )


async def test_asset__sold_and_paid_out__to_the_unit_and_as_the_contract_says(stage: Stage, tmp_path: Path) -> None:
    asset = await listed(stage, tmp_path)
    assert asset.token is not None
    await buy(stage, asset, ALICE, 200)
    await buy(stage, asset, BOB, 100)
    asset = await seen(stage, asset.id)
    assert asset.token is not None
    assert (asset.offer_fractions, asset.holders) == (300, 3)

    # A period of two days: 0.007 units are lost in rounding, once.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for days in (2, 1):
        await settled_day(stage, today - timedelta(days=days), 500_003_500)
    async with transaction(stage.pool) as db:
        period = ((today - timedelta(days=2)).date(), today.date())
        proposed = await revenue.propose(db, CHAIN_ID, asset.id, *period, today.date())
        with pytest.raises(revenue.PeriodTaken):
            await revenue.propose(db, CHAIN_ID, asset.id, period[0], period[0] + timedelta(days=1), today.date())
        await revenue.approve(db, proposed, b"\x0b" * 20)
    await stage.fund(OWNER, 2_000_000)
    with pytest.raises(revenue.AmountDiffers):
        await pay_in(stage, asset, proposed, 1_000_008)
    sent = await pay_in(stage, asset, proposed, 1_000_007)
    assert await pay_in(stage, asset, proposed, 1_000_007) == sent
    await stage.mined(sent)
    async with transaction(stage.pool) as db:
        assert (await revenue.follow(db, CHAIN_ID)).assets == {asset.id}
        (distributed,) = await revenue.distributions(db, asset_id=asset.id)
    assert (distributed.status, distributed.amount, distributed.sold_wh) == ("distributed", 1_000_007, 8_000)
    assert distributed.total_amount == Decimal("1.00000700")

    # Half of Alice's fractions change hands: what they earned before stays hers.
    moved = encode_call("AssetToken", "transfer", address_of(BOB), 100)
    await stage.as_wallet(ALICE, asset.token, moved)
    deposit = encode_call("AssetToken", "depositRevenue", 999, bytes(32))
    await stage.as_wallet(OWNER, stage.chain.deployment.address("PaymentToken"), _allow(asset.token))
    await stage.as_wallet(OWNER, asset.token, deposit)
    for key, fractions in ((ALICE, 100), (BOB, 200), (OWNER, 700)):
        async with stage.pool.acquire() as db:
            (position,) = await investing.portfolio(db, CHAIN_ID, address_of(key))
        assert position.fractions == fractions
        assert position.claimable == stage.ask("AssetToken", asset.token, "claimable", address_of(key)) > 0

    async with transaction(stage.pool) as db:
        claimed = await revenue.claim(db, stage.chain, asset.id, address_of(ALICE), "first", datetime.now(UTC))
        again = await revenue.claim(db, stage.chain, asset.id, address_of(ALICE), "again", datetime.now(UTC))
        assert again == claimed
    await stage.mined(claimed)
    with pytest.raises(revenue.NothingToClaim):
        async with transaction(stage.pool) as db:
            await revenue.claim(db, stage.chain, asset.id, address_of(ALICE), "more", datetime.now(UTC))
    await paid_out(stage, asset)
    async with stage.pool.acquire() as db:
        (position,) = await investing.portfolio(db, CHAIN_ID, address_of(ALICE))
        table = await investing.cap_table(db, CHAIN_ID, asset.token, SUPPLY, None)
        head = int(stage.anvil.rpc("eth_blockNumber"), 16)
        before = await investing.cap_table(db, CHAIN_ID, asset.token, SUPPLY, head)
        bought = await investing.investments(db, CHAIN_ID, asset_id=asset.id)
    assert (position.claimed, position.claimable) == ((1_000_007 * 200 + 999 * 100) // 1_000, 0)
    assert [(holding.fractions, holding.share) for holding in table] == [
        (700, Decimal("0.7")),
        (200, Decimal("0.2")),
        (100, Decimal("0.1")),
    ]
    assert list(table) == list(before)
    await audited(stage)
    assert [(investment.fractions, investment.cost) for investment in bought] == [
        (100, 100 * PRICE),
        (200, 200 * PRICE),
    ]


async def paid_out(stage: Stage, asset: Asset) -> None:
    """Everybody else is paid in one transaction, to the unit."""
    money = stage.chain.deployment.address("PaymentToken")
    before = {key: stage.ask("PaymentToken", money, "balanceOf", address_of(key)) for key in (BOB, OWNER)}
    due = {key: stage.ask("AssetToken", asset.token or b"", "claimable", address_of(key)) for key in (BOB, OWNER)}
    async with transaction(stage.pool) as db:
        sent = await revenue.pay_out(db, stage.chain, asset.id, "all", datetime.now(UTC))
        assert await revenue.pay_out(db, stage.chain, asset.id, "again", datetime.now(UTC)) == sent
    await stage.mined(sent)
    for key in (BOB, OWNER):
        assert stage.ask("PaymentToken", money, "balanceOf", address_of(key)) == before[key] + due[key] > before[key]
    with pytest.raises(revenue.NothingToClaim):
        async with transaction(stage.pool) as db:
            await revenue.pay_out(db, stage.chain, asset.id, "more", datetime.now(UTC))


TAMPERED = {
    "update assets.revenue_distributions set amount = amount + 1": {"distribution", "deposit"},
    "update assets.revenue_distributions set sold_wh = sold_wh - 1": {"distribution"},
    "update trading.trades set price_per_kwh = price_per_kwh + 1": {"distribution"},
    "update trading.settlement_accounts set injection_wh = injection_wh - 1": {"distribution"},
    "update trading.settlements set final_at = null": {"distribution"},
    "delete from blockchain.fact_asset_token_revenue_deposited where amount = 1000007":
        {"deposit", "revenue", "claim"},
    "update blockchain.fact_asset_token_revenue_deposited set revenue_per_fraction = revenue_per_fraction + 1":
        {"revenue"},
    "update blockchain.fact_asset_token_revenue_claimed set amount = amount - 1": {"claim"},
    "update blockchain.fact_asset_token_transfer set value = value - 1 where value = 200": {"holding", "claim"},
    "update blockchain.token_balances b set balance = balance + 1 from blockchain.asset_tokens t"
    " where t.token = b.token": {"holding"},
}  # fmt: skip


async def audited(stage: Stage) -> None:
    """Nothing differs; and whatever is changed afterwards is found, each by what it is."""
    rpc = HttpRpc([stage.anvil.url])
    async with stage.pool.acquire() as db:
        async with db.transaction(isolation="repeatable_read"):
            assert await audit.check_assets(db, rpc, CHAIN_ID) == []
            assert await audit.check_due(db, rpc, CHAIN_ID) == 1
        async with db.transaction(isolation="repeatable_read"):
            assert await audit.check_due(db, rpc, CHAIN_ID) == 0
            assert (await service.totals(db))[1] == 0
        for statement, kinds in TAMPERED.items():
            change = db.transaction(isolation="repeatable_read")
            await change.start()
            await db.execute(statement)
            found = await audit.check_assets(db, rpc, CHAIN_ID)
            assert {finding.kind for finding in found} == kinds, (statement, found)
            await change.rollback()
        async with db.transaction(isolation="repeatable_read"):
            await db.execute("update assets.revenue_distributions set amount = amount + 1")
            assert await audit.check_due(db, rpc, CHAIN_ID) == 1
            assert (await service.totals(db))[1] > 0
    await rpc.close()


def _allow(spender: bytes) -> bytes:
    return encode_call("PaymentToken", "approve", spender, 999)


async def test_buy__without_clearance_or_over_subscribed__is_refused_before_it_costs_gas(
    stage: Stage, tmp_path: Path
) -> None:
    asset = await listed(stage, tmp_path, fractions=10)
    assert asset.token is not None
    now = datetime.now(UTC)

    async def refused(error: type[Exception], key: bytes, fractions: int, limit: int, **options: Any) -> None:
        assert asset.token is not None
        wanted, signature, permit = stage.purchase(key, asset.token, fractions, limit, **options)
        with pytest.raises(error):
            async with transaction(stage.pool) as db:
                await investing.buy(db, stage.chain, asset.id, wanted, signature, permit, now)

    await refused(investing.BuyerNotCleared, STRANGER, 1, PRICE)
    await refused(investing.OfferExceeded, ALICE, 11, 11 * PRICE)
    await refused(investing.OfferExceeded, ALICE, 0, PRICE)
    await refused(investing.CostAboveLimit, ALICE, 2, 2 * PRICE - 1)
    await refused(DeadlineInvalid, ALICE, 1, PRICE, deadline=int(time.time()) - 1)
    await refused(DeadlineInvalid, ALICE, 1, PRICE, deadline=int(time.time()) + 86_400)
    wanted, _, permit = stage.purchase(ALICE, asset.token, 1, PRICE)
    other = stage.purchase(BOB, asset.token, 1, PRICE)
    for signature, given in ((other[1], permit), (bytes(65), permit)):
        with pytest.raises(WrongSigner):
            async with transaction(stage.pool) as db:
                await investing.buy(db, stage.chain, asset.id, wanted, signature, given, now)
    async with stage.pool.acquire() as db:
        assert await db.fetchval("select count(*) from assets.purchases") == 0

    # What is asked for must be in the wallet, so that a purchase of everything for nothing holds up nobody.
    await refused(investing.CannotPay, ALICE, 6, 6 * PRICE)
    await stage.fund(ALICE, 6 * PRICE)

    # Two purchases that together exceed the offer: the second is told so though the first is not mined yet.
    stage.anvil.rpc("evm_setAutomine", [False])
    await_first = stage.purchase(ALICE, asset.token, 6, 6 * PRICE)
    async with transaction(stage.pool) as db:
        await investing.buy(db, stage.chain, asset.id, *await_first, now)
    await refused(investing.OfferExceeded, BOB, 5, 5 * PRICE)
    stage.anvil.rpc("evm_setAutomine", [True])


async def test_buy__clearance_expires_in_mid_purchase__fails_on_chain_and_counts_nowhere(
    stage: Stage, tmp_path: Path
) -> None:
    asset = await listed(stage, tmp_path)
    assert asset.token is not None
    await stage.fund(ALICE, PRICE)
    purchase = stage.purchase(ALICE, asset.token, 1, PRICE)
    async with transaction(stage.pool) as db:
        # The registrar's word is on its way; the mirror does not know it yet.
        over = encode_call("ParticipantRegistry", "setParticipant", address_of(ALICE), int(time.time()) - 60, 0, 756)
        sent = await stage.chain.send(
            db, key="over", kind="set_participant", contract="ParticipantRegistry", calldata=over
        )
        bought = await investing.buy(db, stage.chain, asset.id, *purchase, datetime.now(UTC))
    await stage.mined(sent)

    async def failed() -> str | None:
        async with stage.pool.acquire() as db:
            found = await outbox.state(db, bought)
            return found.error if found.state == "failed" else None

    assert "NotCleared" in await stage.until(failed)
    async with transaction(stage.pool) as db:
        assert await investing.portfolio(db, CHAIN_ID, address_of(ALICE)) == []
        assert await investing.investments(db, CHAIN_ID) == []
        await investing.follow(db, CHAIN_ID)
        assert await db.fetchval("select outcome from assets.purchases") == "failed"


async def test_purchase__taken_back_by_a_reorganisation__is_no_investment(stage: Stage, tmp_path: Path) -> None:
    asset = await listed(stage, tmp_path)
    assert asset.token is not None
    snapshot = stage.anvil.rpc("evm_snapshot")
    await stage.fund(STRANGER, 1)  # so that the chain is longer than what replaces it
    cost = PRICE * 3
    await stage.as_wallet(
        ALICE, stage.chain.deployment.address("PaymentToken"), encode_call("PaymentToken", "approve", asset.token, cost)
    )
    await stage.fund(ALICE, cost)
    await stage.as_wallet(ALICE, asset.token, encode_call("AssetToken", "buy", 3, cost))
    async with stage.pool.acquire() as db:
        assert len(await investing.investments(db, CHAIN_ID)) == 1
    assert (await seen(stage, asset.id)).offer_fractions == 597
    stage.anvil.rpc("evm_revert", [snapshot])
    for _ in range(10):
        stage.anvil.rpc("evm_mine")

    async def gone() -> bool | None:
        async with stage.pool.acquire() as db:
            return None if await investing.investments(db, CHAIN_ID) else True

    await stage.until(gone)
    again = await seen(stage, asset.id)
    assert replace(again, outbox_id=None) == replace(asset, outbox_id=None)


async def test_purchase__reorganised_before_it_is_final__is_bought_once(stage: Stage, tmp_path: Path) -> None:
    asset = await listed(stage, tmp_path)
    await stage.fund(ALICE, 3 * PRICE)
    snapshot = stage.anvil.rpc("evm_snapshot")
    await buy(stage, asset, ALICE, 3)
    async with stage.pool.acquire() as db:
        (first,) = await investing.investments(db, CHAIN_ID)
    stage.anvil.rpc("evm_revert", [snapshot])
    for _ in range(10):
        stage.anvil.rpc("evm_mine")

    async def again() -> bool | None:
        async with transaction(stage.pool) as db:
            await investing.follow(db, CHAIN_ID)
            found = await investing.investments(db, CHAIN_ID)
            told = await db.fetchval("select outcome from assets.purchases")
        return True if len(found) == 1 and found[0].block_number > first.block_number and told == "bought" else None

    await stage.until(again)
    money = stage.chain.deployment.address("PaymentToken")
    assert stage.ask("PaymentToken", money, "balanceOf", address_of(ALICE)) == 3 * PRICE
    assert (await seen(stage, asset.id)).offer_fractions == 597
