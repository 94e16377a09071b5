"""Sign-in by wallet against PostgreSQL: who gets in, and who does not."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from contracts.typed_data import address_of, checksum, sign
from indexer.db import connect, open_pool, transaction
from node import eip4361, identity

pytestmark = pytest.mark.integration

KEY = bytes.fromhex("11" * 32)
OTHER_KEY = bytes.fromhex("22" * 32)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BROWSER = b"the cookie's secret"
SITE = identity.Site(domain="localhost:8000", chain_id=31337, operators=frozenset())


def text(**changes: object) -> str:
    fields: dict[str, object] = {
        "domain": "localhost:8000",
        "address": checksum(address_of(KEY)),
        "uri": "http://localhost:8000/",
        "chain_id": 31337,
        "nonce": "0" * 32,
        "issued_at": NOW,
        "statement": "Sign in.",
    }
    return eip4361.compose(**(fields | changes))  # type: ignore[arg-type]


async def attempt(url: str, message: str, key: bytes = KEY, site: identity.Site = SITE) -> identity.Session:
    db = await connect(url)
    try:
        return await identity.sign_in(
            db, site=site, text=message, signature=sign(eip4361.digest(message), key), now=NOW, user_agent="test"
        )
    finally:
        await db.close()


async def test_sign_in__own_signature__opens_a_session_until_signed_out(database_url: str) -> None:
    session = await attempt(database_url, text())

    db = await connect(database_url)
    known = await identity.caller(db, token=session.token, now=NOW)
    assert known is not None
    assert (known.account, known.role) == (address_of(KEY), "trader")
    assert await identity.caller(db, token=session.token, now=NOW + identity.SESSION_LIFE) is None
    await identity.sign_out(db, token=session.token, now=NOW)
    assert await identity.caller(db, token=session.token, now=NOW) is None
    assert (
        await db.fetchval("select count(*) from identity.sessions where token_hash = $1", session.token.encode()) == 0
    )
    await db.close()


async def test_sign_in__operator__is_admin(database_url: str) -> None:
    site = identity.Site("localhost:8000", 31337, frozenset({address_of(KEY)}))

    assert (await attempt(database_url, text(), site=site)).role == "admin"


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "evil.example"},
        {"uri": "http://evil.example/"},
        {"chain_id": 1},
        {"issued_at": NOW - timedelta(hours=1)},
        {"issued_at": NOW + timedelta(hours=1)},
        {"address": checksum(address_of(OTHER_KEY))},
    ],
)
async def test_sign_in__message_not_for_here_and_now__is_refused(database_url: str, changes: dict[str, object]) -> None:
    with pytest.raises(identity.SignInRefused):
        await attempt(database_url, text(**changes))


async def test_sign_in__expired_message__is_refused(database_url: str) -> None:
    with pytest.raises(identity.SignInRefused, match="expired"):
        await attempt(database_url, text() + "\nExpiration Time: 2026-03-01T11:59:59Z")


async def test_consume_nonce__fifty_parallel_uses__exactly_one_succeeds(database_url: str) -> None:
    async with open_pool(database_url) as pool:
        async with transaction(pool) as db:
            nonce = await identity.issue_nonce(db, browser_key=BROWSER, now=NOW)

        async def use() -> bool:
            async with transaction(pool) as db:
                try:
                    await identity.consume_nonce(db, nonce=nonce.nonce, browser_key=BROWSER, now=NOW)
                except identity.SignInRefused:
                    return False
                return True

        assert sum(await asyncio.gather(*(use() for _ in range(50)))) == 1


@pytest.mark.parametrize(
    ("browser", "later"), [(b"another cookie", timedelta()), (BROWSER, identity.NONCE_LIFE)], ids=["browser", "expired"]
)
async def test_consume_nonce__wrong_browser_or_too_late__is_refused(
    database_url: str, browser: bytes, later: timedelta
) -> None:
    db = await connect(database_url)
    nonce = await identity.issue_nonce(db, browser_key=BROWSER, now=NOW)

    with pytest.raises(identity.SignInRefused):
        await identity.consume_nonce(db, nonce=nonce.nonce, browser_key=browser, now=NOW + later)

    await db.close()
