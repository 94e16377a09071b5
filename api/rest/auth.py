"""Signing in with a wallet (EIP-4361) and signing out."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, Field
from starlette.requests import Request as HttpRequest

from api import auth
from api.deps import MaybeCaller, Services, SignedIn, Site, by_signature, public, signed_in
from api.rest.fields import Address, Answer, Instant, Octets, Request
from contracts.typed_data import parse_address
from indexer.db import transaction
from node import contract_accounts, eip4361, identity

router = APIRouter(tags=["auth"])


class NonceAnswer(Answer):
    """Sign a message with this nonce, for this host, within its life."""

    nonce: str
    expires_at: Instant
    domain: str
    uri: str
    chain_id: int
    account: Address | None
    """The account that was named, in the capitals (EIP-55) that the message must have."""


def _bounded(signature: bytes) -> bytes:
    if len(signature) > contract_accounts.MAX_SIGNATURE_BYTES:
        raise ValueError(f"must be at most {contract_accounts.MAX_SIGNATURE_BYTES} bytes")
    return signature


class SignIn(Request):
    """An EIP-4361 message and its signature (EIP-191): the account's key's, or whatever its contract takes (ERC-1271,
    ERC-6492)."""

    message: Annotated[str, Field(max_length=eip4361.MAX_LENGTH)]
    signature: Annotated[Octets, AfterValidator(_bounded)]


class SessionAnswer(Answer):
    """``session_token`` may be sent as ``Authorization: Bearer``; browsers use the cookie."""

    session_token: str
    account: Address
    role: str
    expires_at: Instant


class Me(Answer):
    account: Address
    role: str


@router.post("/v1/auth/nonce", dependencies=[Depends(public)])
async def nonce(
    request: HttpRequest, response: Response, site: Site, account: Annotated[Address | None, Query()] = None
) -> NonceAnswer:
    """A nonce for one sign-in from this browser."""
    key = auth.browser_key(request, site.config) or auth.new_browser_key()
    async with transaction(site.pool) as db:
        issued = await identity.issue_nonce(db, browser_key=key.encode(), now=site.real.now())
    auth.set_cookie(response, site.config, auth.BROWSER_COOKIE, key, auth.BROWSER_KEY_LIFE_S)
    response.headers["Cache-Control"] = "no-store"
    return NonceAnswer(
        nonce=issued.nonce,
        expires_at=issued.expires_at,
        domain=site.config.domain,
        uri=site.config.public_url,
        chain_id=site.chain_id,
        account=account,
    )


async def _open_session(request: HttpRequest, site: Services, body: SignIn) -> identity.Session:
    """Uses up the nonce in a transaction of its own, so that a refused attempt cannot be repeated."""
    now = site.real.now()
    key = (auth.browser_key(request, site.config) or "").encode()
    message = eip4361.parse(body.message)
    async with transaction(site.pool) as db:
        await identity.consume_nonce(db, nonce=message.nonce, browser_key=key, now=now)
    ours = identity.Site(site.config.domain, site.chain_id, site.config.operators)
    identity.check_message(message, ours, now)
    is_vouched = await _is_vouched(site, body, parse_address(message.address))
    async with transaction(site.pool) as db:
        return await identity.sign_in(
            db,
            site=ours,
            text=body.message,
            signature=body.signature,
            now=now,
            user_agent=request.headers.get("user-agent"),
            is_vouched=is_vouched,
        )


async def _is_vouched(site: Services, body: SignIn, account: bytes) -> bool:
    """Whether the account is a contract that takes the signature. Asked where no key of its own has signed, and while
    no connection is held."""
    try:
        identity.check_signature(body.message, account, body.signature)
    except identity.SignInRefused:
        async with site.nonces.turn():
            return await contract_accounts.vouches(site.rpc, account, eip4361.digest(body.message), body.signature)
    return False


@router.post("/v1/auth/verify", dependencies=[Depends(by_signature)])
async def verify(request: HttpRequest, response: Response, site: Site, body: SignIn) -> SessionAnswer:
    """Opens a session for the account that signed the message."""
    auth.require_own_origin(request, site.config)
    session = await _open_session(request, site, body)
    life: timedelta = session.expires_at - site.real.now()
    auth.set_cookie(response, site.config, auth.SESSION_COOKIE, session.token, int(life.total_seconds()))
    auth.drop_cookie(response, site.config, auth.BROWSER_COOKIE)
    response.headers["Cache-Control"] = "no-store"
    return SessionAnswer(
        session_token=session.token, account=session.account, role=session.role, expires_at=session.expires_at
    )


@router.get("/v1/auth/session")
async def who_am_i(caller: SignedIn) -> Me:
    """Whose session this is."""
    return Me(account=caller.account, role=caller.role)


class Somebody(Answer):
    """Nobody: both are null."""

    account: Address | None
    role: str | None


@router.get("/v1/auth/me", dependencies=[Depends(public)])
async def somebody(caller: MaybeCaller) -> Somebody:
    """Who is calling, nobody included: for pages, which ask before they know."""
    if caller is None:
        return Somebody(account=None, role=None)
    return Somebody(account=caller.account, role=caller.role)


@router.delete("/v1/auth/session", status_code=204, dependencies=[Depends(signed_in)])
async def sign_out(request: HttpRequest, response: Response, site: Site) -> None:
    """Ends the session at once."""
    token = auth.session_token(request, site.config)
    assert token is not None
    async with transaction(site.pool) as db:
        await identity.sign_out(db, token=token, now=site.real.now())
    auth.drop_cookie(response, site.config, auth.SESSION_COOKIE)
