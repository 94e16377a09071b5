"""What a route may ask for: the open services, a database connection, who is calling; and who may call it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.auth import SAFE_METHODS, Forbidden, SessionRequired, session_token
from api.config import ApiConfig
from api.graphql.execute import Schemas
from api.intake import Intake
from api.limits import Turns
from api.open_books import OpenBooks
from contracts.typed_data import parse_address
from indexer.clock import Clock
from indexer.db import ACQUIRE_TIMEOUT_S, Connection, Pool, transaction
from node import access, agents, identity, row_security
from node.assets.papers import Shelves
from node.bus import Bus
from node.cache import Cache
from node.errors import GridtraceError, NotFound
from node.exports.worker import Worker
from node.identity import Caller
from node.market.area import Area
from node.outbox.rpc import Rpc
from node.participants import ChainContext
from node.sealing import Box

ADMIN_ROLES: Final = frozenset({"admin", "super_admin"})
PLAIN_ROLE: Final = "trader"
OPERATOR_ROLES: Final = ADMIN_ROLES | {"auditor"}
ACCOUNT_HEADER: Final = "gridtrace-account"
"""Names the account that an agent acts for."""
AGENTS: Final = re.compile(
    r"DELETE /v1/orders/[^/]+|POST /v1/orders:cancel|POST /v1/prepared-orders|DELETE /v1/prepared-orders/[^/]+"
)
"""What an agent may change."""
AT_ONCE: Final = 4
WAITING: Final = 60
CHAIN_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Services:
    """What the lifespan opened."""

    config: ApiConfig
    pool: Pool
    bus: Bus
    cache: Cache
    clock: Clock
    """Market time."""
    real: Clock
    """Real time, for sessions."""
    chain: ChainContext
    intake: Intake
    """Where orders are handed in."""
    areas: tuple[Area, ...]
    """Zones that trade with each other."""
    rpc: Rpc
    """For what only the chain can tell: the nonces that a wallet signs next."""
    exports: Worker | None
    """Writes files; the folder they are in."""
    cursor_secret: bytes = field(repr=False)
    """Signs the cursors of lists; the same in every process of one installation."""
    blocks: Shelves | None = None
    """Where papers are kept."""
    uploading: set[bytes] = field(default_factory=set)
    """Who is putting a paper up: one at a time each."""
    box: Box | None = None
    """Seals personal data."""
    graph: Schemas = field(default_factory=Schemas)
    """The GraphQL schema of the mirror's tables."""
    proofs: Turns = field(default_factory=lambda: Turns(AT_ONCE, WAITING))
    """Each proof fetches a whole block's receipts from the chain's node."""
    open_books: OpenBooks = field(default_factory=OpenBooks)
    """What was told of them."""
    questions: Turns = field(default_factory=lambda: Turns(AT_ONCE, WAITING))
    """Of GraphQL; each holds a connection and may take seconds."""
    nonces: Turns = field(default_factory=lambda: Turns(CHAIN_AT_ONCE, WAITING))
    """Each asks the chain's node."""

    def chain_now(self) -> float:
        """Unix seconds as the chain's blocks count them."""
        return self.clock.now_s()

    @property
    def chain_id(self) -> int:
        return self.config.node.indexer.chain_id


async def services(connection: HTTPConnection) -> Services:
    """The services of the application that answers."""
    # Like every dependency, a coroutine: FastAPI sends what is none to a thread, which costs more than most requests.
    found: Services = connection.app.state.services
    return found


Site = Annotated[Services, Depends(services)]


class NotConfigured(GridtraceError):
    """This installation has not been given what this needs."""

    code = "not-configured"


async def _documents(site: Site) -> Shelves:
    if site.blocks is None:
        raise NotConfigured("papers need GRIDTRACE_DOCUMENTS_DIR")
    return site.blocks


async def _sealing(site: Site) -> Box:
    if site.box is None:
        raise NotConfigured("personal data need GRIDTRACE_SEALING_KEY_FILE")
    return site.box


async def _exporting(site: Site) -> Worker:
    if site.exports is None:
        raise NotConfigured("exports need GRIDTRACE_EXPORTS_DIR")
    return site.exports


Exporting = Annotated[Worker, Depends(_exporting)]
Documents = Annotated[Any, Depends(_documents)]
Sealing = Annotated[Box, Depends(_sealing)]


async def authenticated(connection: HTTPConnection, site: Site) -> Caller | None:
    token = session_token(connection, site.config)
    if token is None:
        return None
    now, for_account = site.real.now(), connection.headers.get(ACCOUNT_HEADER)
    async with site.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
        if not token.startswith(access.KEY_PREFIX):
            caller = await identity.caller(db, token=token, now=now)
            if caller is None or for_account is None:
                return caller
            return await _for_account(connection, site, db, caller, for_account)
        holder = await access.holder(db, token, now)
    if holder is None:
        return None
    if for_account is not None:
        raise Forbidden("an agent signs in itself: a key does not act for others")
    if "write" not in holder.scopes and connection.scope.get("method", "GET") not in SAFE_METHODS:
        raise Forbidden(f"this key may only {' and '.join(sorted(holder.scopes))}")
    # Without the scope, a key has none of its owner's powers over others.
    role = holder.role if "operate" in holder.scopes else PLAIN_ROLE
    return Caller(holder.user_id, holder.account, role, holder.scopes)


async def _for_account(
    connection: HTTPConnection, site: Services, db: Connection, caller: Caller, account: str
) -> Caller:
    """The caller as an agent of the account. Raises Forbidden, BadAddress."""
    principal = parse_address(account)
    if await agents.in_force(db, principal, caller.account, site.clock.now_s()) is None:
        raise Forbidden("this account has not made you its agent")
    method = connection.scope.get("method", "GET")
    if method not in SAFE_METHODS and not AGENTS.fullmatch(f"{method} {connection.url.path}"):
        raise Forbidden("an agent reads, cancels orders and prepares them")
    return Caller(caller.user_id, principal, PLAIN_ROLE, frozenset({"agent"}), agent=caller.account)


MaybeCaller = Annotated[Caller | None, Depends(authenticated)]


async def _act(db: Connection, site: Services, caller: Caller | None, account: bytes = b"") -> None:
    """What is sealed or somebody else's is not there for this transaction, whatever a statement asks."""
    published_until_s = site.clock.now_s() + site.config.node.market.gate_lead_s
    who = (account, None, "") if caller is None else (caller.account, caller.user_id, caller.role)
    await row_security.act_as(db, published_until_s, *who)


@asynccontextmanager
async def snapshot(site: Services, caller: Caller | None = None) -> AsyncIterator[Connection]:
    """One state of the database for all reads within, as the caller may see it; for routes that then ask elsewhere,
    holding no connection."""
    async with (
        site.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db,
        db.transaction(isolation="repeatable_read", readonly=True),
    ):
        await _act(db, site, caller)
        yield db


@asynccontextmanager
async def changing(site: Services, caller: Caller | None, *, account: bytes = b"") -> AsyncIterator[Connection]:
    """One transaction in which the caller changes what he may, or an account what it has signed."""
    async with transaction(site.pool) as db:
        await _act(db, site, caller, account)
        yield db


async def _reader(site: Site, caller: MaybeCaller) -> AsyncIterator[Connection]:
    """One snapshot for all reads of a request, so that everything an answer says holds at the same block."""
    async with snapshot(site, caller) as db:
        yield db


async def _writer(site: Site, caller: MaybeCaller) -> AsyncIterator[Connection]:
    """One request, one transaction, committed before the answer is sent."""
    async with changing(site, caller) as db:
        yield db


Reader = Annotated[Any, Depends(_reader, scope="function")]
Writer = Annotated[Any, Depends(_writer, scope="function")]


# Every route declares one of these; a test looks.


async def public() -> None:
    """Anyone may read this."""


async def by_signature() -> None:
    """The signature in the request is the authority; the service that takes it checks it."""


async def signed_in(found: MaybeCaller) -> Caller:
    """Anyone who has signed in; what of it he sees is decided with ``own``."""
    if found is None:
        raise SessionRequired
    return found


async def admin(found: Annotated[Caller, Depends(signed_in)]) -> Caller:
    """Administrators only."""
    if found.role not in ADMIN_ROLES:
        raise Forbidden(f"this needs the role admin, yours is {found.role}")
    return found


async def in_person(found: Annotated[Caller, Depends(signed_in)]) -> Caller:
    """Who has signed in himself: a key in the hands of a program, or an agent, does not reach what is personal."""
    if found.scopes is not None:
        raise Forbidden("neither a key nor an agent does this: sign in")
    return found


POLICIES: Final = (public, by_signature, signed_in, admin)
SignedIn = Annotated[Caller, Depends(signed_in)]
Admin = Annotated[Caller, Depends(admin)]
InPerson = Annotated[Caller, Depends(in_person)]


def operates(caller: Caller) -> bool:
    """Whether the caller may see what belongs to others."""
    return caller.role in OPERATOR_ROLES


def manages(caller: Caller) -> bool:
    """Whether the caller may change what belongs to others."""
    return caller.role in ADMIN_ROLES


def own(caller: Caller, account: bytes) -> None:
    """Raises NotFound unless the account is the caller's own, or he operates: foreign looks like missing."""
    if caller.account != account and not operates(caller):
        raise NotFound
