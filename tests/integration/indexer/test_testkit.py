"""The test kit, used as a user would."""

import pytest

from contracts.abi import artifact
from indexer.manifest import Contract, Manifest
from indexer.testkit import Emitted, MemoryEntities, batch_of, emitted, open_kit
from tests.integration.indexer.sample_handlers import Depositor, Holder, deposits, handlers, transfers

pytestmark = pytest.mark.integration

NAMES = ("PaymentToken", "EnergyToken", "SettlementExchange")
PAYMENT, ENERGY, EXCHANGE = (bytes([number]) * 20 for number in (1, 2, 3))
ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20


@pytest.fixture
def manifest() -> Manifest:
    contracts = (
        Contract(name, address, artifact(name).abi)
        for name, address in zip(NAMES, (PAYMENT, ENERGY, EXCHANGE), strict=True)
    )
    return Manifest(7, 2, tuple(contracts))


def transfer(sender: bytes, recipient: bytes, value: int) -> Emitted:
    return emitted("PaymentToken.Transfer", {"from": sender, "to": recipient, "value": value})


def deposit(account: bytes, cash: int) -> Emitted:
    return emitted("SettlementExchange.Deposited", {"account": account, "cash": cash, "energyWh": 0})


async def test_kit__blocks_and_a_reorganisation__give_what_the_events_say(
    database_url: str, manifest: Manifest
) -> None:
    async with open_kit(database_url, manifest, handlers) as kit:
        await kit.block(transfer(ALICE, BOB, 5), deposit(ALICE, 2**100))
        await kit.block(transfer(BOB, ALICE, 2))
        query = "select account, balance from entities.holder order by account"
        assert [tuple(row.values()) for row in await kit.rows(query)] == [(ALICE, -3), (BOB, 3)]
        await kit.reorg(1, [transfer(BOB, ALICE, 4)])
        assert [tuple(row.values()) for row in await kit.rows(query)] == [(ALICE, -1), (BOB, 1)]
        (row,) = await kit.rows("select cash, is_rich, last_request from entities.depositor")
        assert row == {"cash": 2**100, "is_rich": True, "last_request": None}


async def test_check_rewinds__handlers_and_projections__come_back_exactly(
    database_url: str, manifest: Manifest
) -> None:
    blocks = [[transfer(ALICE, BOB, n), deposit(BOB, n)] if n % 3 else [] for n in range(1, 20)]
    async with open_kit(database_url, manifest, handlers) as kit:
        await kit.check_rewinds(blocks, "holder", "depositor", "blockchain.account_balances")


async def test_check_rewinds__state_that_does_not_come_back__is_found(database_url: str, manifest: Manifest) -> None:
    async with open_kit(database_url, manifest, handlers) as kit:
        await kit.db.execute("create table entities.seen (n integer); insert into entities.seen values (0)")
        await kit.db.execute(
            "create function entities.count() returns trigger language plpgsql as "
            "$$ begin update entities.seen set n = n + 1; return null; end $$"
        )
        await kit.db.execute(
            "create trigger seen after insert on entities.holder for each row execute function entities.count()"
        )
        with pytest.raises(AssertionError, match="seen taken back to block"):
            await kit.check_rewinds([[transfer(bytes([n]) * 20, BOB, 1)] for n in range(1, 5)], "seen")


async def test_memory_entities__handler_alone__needs_no_database(manifest: Manifest) -> None:
    entities = MemoryEntities(handlers)
    await transfers(batch_of(manifest, transfer(ALICE, BOB, 5), transfer(BOB, ALICE, 2)), entities)
    assert entities.rows[Holder][PAYMENT, ALICE].balance == -3
    assert entities.rows[Holder][PAYMENT, BOB].transfers == 2
    request = {"account": ALICE, "cash": 1, "energyWh": 0, "readyAt": 77}
    batch = batch_of(manifest, deposit(ALICE, 9), emitted("SettlementExchange.WithdrawalRequested", request))
    await deposits(batch, entities)
    assert entities.rows[Depositor][ALICE].last_request == 77
    assert batch.events == ["SettlementExchange.Deposited", "SettlementExchange.WithdrawalRequested"]
    assert (batch["readyAt"], batch.log_indexes, len(batch.times)) == ([None, 77], [0, 0], 2)
    with pytest.raises(KeyError):
        batch["nothing"]
