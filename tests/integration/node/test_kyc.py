"""Clearance decides on what was looked at, and takes nothing back that the chain says of an account."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.abi import encode_call
from contracts.addresses import Deployment
from contracts.typed_data import checksum
from indexer.db import Connection, connect
from node import kyc
from node.participants import ChainContext
from node.sealing import Box

pytestmark = pytest.mark.integration

WALLET = b"\x77" * 20
ADMIN = b"\x0a" * 20
CHAIN = ChainContext(31_337, Deployment(31_337, 0, {"ParticipantRegistry": b"\xc0" * 20}), b"\x0b" * 20)
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
PERSON = kyc.Application("eve@example.org", "Eve", "CH", "+41 44 668 18 00", "passport", "X1234567", ("consumer",))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def apply(db: Connection) -> tuple[UUID, datetime]:
    user: UUID = await db.fetchval(
        "insert into identity.users (wallet, wallet_address) values ($1, $2)"
        " on conflict (wallet) do update set wallet = excluded.wallet returning id",
        WALLET,
        checksum(WALLET),
    )
    await kyc.apply(db, Box(bytes(range(32))), user, PERSON)
    return user, (await kyc.profile(db, user)).applied_at


async def mirrored(db: Connection, flags: int) -> None:
    await db.execute(
        "insert into blockchain.participants (chain_id, account, kyc_until, flags, country, updated_block)"
        " values ($1, $2, $3, $4, 756, 1)",
        CHAIN.chain_id,
        WALLET,
        UNTIL,
        flags,
    )


async def sent(db: Connection) -> list[bytes]:
    return [row["calldata"] for row in await db.fetch("select calldata from wallet.outbox order by id")]


async def test_decision__application_changed_meanwhile__is_refused(db: Connection) -> None:
    user, seen = await apply(db)
    _, newer = await apply(db)
    assert newer > seen
    with pytest.raises(kyc.ApplicationChanged):
        await kyc.approve(db, CHAIN, user, ADMIN, UNTIL, "one", seen)
    with pytest.raises(kyc.ApplicationChanged):
        await kyc.reject(db, user, ADMIN, "no", newer + timedelta(microseconds=1))
    assert await sent(db) == []
    await kyc.approve(db, CHAIN, user, ADMIN, UNTIL, "one", newer)
    assert (await kyc.profile(db, user)).kyc_status == "approved"


async def test_approve__frozen_account__stays_frozen(db: Connection) -> None:
    user, seen = await apply(db)
    await mirrored(db, 4 | 1)
    with pytest.raises(kyc.AccountFrozen, match=checksum(WALLET)):
        await kyc.approve(db, CHAIN, user, ADMIN, UNTIL, "one", seen)
    assert (await sent(db), (await kyc.profile(db, user)).kyc_status) == ([], "pending")


async def test_approve__producer_applies_as_consumer__is_both(db: Connection) -> None:
    user, seen = await apply(db)
    await mirrored(db, 1)
    await kyc.approve(db, CHAIN, user, ADMIN, UNTIL, "one", seen)
    until_s = int(UNTIL.timestamp())
    assert await sent(db) == [encode_call("ParticipantRegistry", "setParticipant", WALLET, until_s, 1 | 2, 756)]
