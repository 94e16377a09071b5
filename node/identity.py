"""Who is calling: sign-in by wallet (EIP-4361), sessions, roles.

Times here are real time: a session lasts real hours even where market time runs faster.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from contracts.typed_data import BadSignature, checksum, parse_address, recover
from indexer.db import Connection, queries
from node import eip4361
from node.errors import Refused

SQL = queries(__name__)

NONCE_BYTES: Final = 16
NONCE_LIFE: Final = timedelta(minutes=5)
SESSION_LIFE: Final = timedelta(hours=24)
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
"""How far a wallet's clock may be off."""


class SignInRefused(Refused):
    """The sign-in was refused."""

    code = "sign-in-refused"


@dataclass(frozen=True, slots=True)
class Nonce:
    """A single-use sign-in nonce."""

    nonce: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Site:
    """What a sign-in message must name to be meant for us."""

    domain: str
    chain_id: int
    operators: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in session; ``token`` is known only to its holder."""

    token: str
    account: bytes
    role: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user."""

    user_id: UUID
    account: bytes
    role: str
    scopes: frozenset[str] | None = None
    """How far his key goes; None: he is here himself."""
    agent: bytes | None = None
    """The wallet that acts for ``account``; ``user_id`` is its user then."""


def _hash(secret: str | bytes) -> bytes:
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()


async def issue_nonce(db: Connection, *, browser_key: bytes, now: datetime) -> Nonce:
    """A nonce that only the holder of ``browser_key`` (his cookie) can use, once, within five minutes."""
    await db.execute(SQL["forget_expired_nonces"], now)
    nonce = Nonce(secrets.token_hex(NONCE_BYTES), now + NONCE_LIFE)
    await db.execute(SQL["issue_nonce"], nonce.nonce, _hash(browser_key), nonce.expires_at)
    return nonce


async def consume_nonce(db: Connection, *, nonce: str, browser_key: bytes, now: datetime) -> None:
    """Uses up a nonce. Commit this before the rest of the sign-in, so that a refused attempt consumes it too.

    Raises:
        SignInRefused: the nonce is unknown, used, expired, or was given to another browser.
    """
    row = await db.fetchrow(SQL["consume_nonce"], nonce)
    if row is None or row["expires_at"] <= now:
        raise SignInRefused("the nonce is unknown, used or expired: ask for a new one")
    if not secrets.compare_digest(row["browser_key_hash"], _hash(browser_key)):
        raise SignInRefused("the nonce was given to another browser")


def check_message(message: eip4361.SignInMessage, site: Site, now: datetime) -> None:
    """Raises SignInRefused unless the message is for this site and chain, and valid now."""
    if message.domain != site.domain:
        raise SignInRefused(f"the message is for {message.domain}, this is {site.domain}")
    if message.uri.split("://", 1)[-1].split("/", 1)[0] != site.domain:
        raise SignInRefused(f"the message's URI {message.uri} is not at {site.domain}")
    if message.chain_id != site.chain_id:
        raise SignInRefused(f"the message is for chain {message.chain_id}, this is chain {site.chain_id}")
    if not now - NONCE_LIFE - CLOCK_TOLERANCE <= message.issued_at <= now + CLOCK_TOLERANCE:
        raise SignInRefused(f"the message was issued at {message.issued_at.isoformat()}, it is {now.isoformat()}")
    if message.expiration_time is not None and message.expiration_time <= now:
        raise SignInRefused(f"the message expired at {message.expiration_time.isoformat()}")
    if message.not_before is not None and message.not_before > now + CLOCK_TOLERANCE:
        raise SignInRefused(f"the message is not valid before {message.not_before.isoformat()}")


def check_signature(text: str, account: bytes, signature: bytes) -> None:
    """Raises SignInRefused unless the account's own key has signed."""
    try:
        signer = recover(eip4361.digest(text), signature)
    except BadSignature as error:
        raise SignInRefused(str(error)) from error
    if signer != account:
        raise SignInRefused(f"the message names {checksum(account)} and was signed by {checksum(signer)}")


async def sign_in(
    db: Connection,
    *,
    site: Site,
    text: str,
    signature: bytes,
    now: datetime,
    user_agent: str | None,
    is_vouched: bool = False,
) -> Session:
    """Opens a session for the account that signed ``text``. Its nonce must have been consumed before.

    Args:
        is_vouched: the account is a contract, and has said that the signature is its own.

    Raises:
        BadSignInMessage: the text is not after EIP-4361.
        SignInRefused: it is for another site or chain, not valid now, or not signed by the account it names.
    """
    message = eip4361.parse(text)
    check_message(message, site, now)
    account = parse_address(message.address)
    if not is_vouched:
        check_signature(text, account, signature)
    wanted_role = "admin" if account in site.operators else "trader"
    user = await db.fetchrow(SQL["ensure_user"], account, checksum(account), wanted_role)
    assert user is not None
    session = Session(secrets.token_urlsafe(32), account, user["role"], now + SESSION_LIFE)
    await db.execute(
        SQL["add_session"],
        user["id"],
        _hash(session.token),
        (user_agent or "")[:200] or None,
        now,
        session.expires_at,
    )
    return session


async def caller(db: Connection, *, token: str, now: datetime) -> Caller | None:
    """Who holds this session, or None where it is unknown, ended or expired."""
    row = await db.fetchrow(SQL["caller"], _hash(token), now)
    return None if row is None else Caller(row["id"], row["wallet"], row["role"])


async def sign_out(db: Connection, *, token: str, now: datetime) -> None:
    """Ends a session; ending it again changes nothing."""
    await db.execute(SQL["revoke"], _hash(token), now)
