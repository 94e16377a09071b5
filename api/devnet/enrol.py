"""The operator's errands through the public API: clears participants, takes meters into service, funds the grid."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, TypeVar

from api.client import ApiProblem, Client
from api.devnet.community import ZONE, Member, signer_of
from api.devnet.keys import KeyRing
from indexer.errors import GridtraceError

T = TypeVar("T")
Progress: TypeAlias = Callable[[int, int], None]
"""Told how many participants and meters are done, and of how many."""

COUNTRY: Final = 756
KYC_DAYS: Final = 3_650
AT_ONCE: Final = 8
INDEXED_S: Final = 120.0
POLL_S: Final = 0.2
GRID_CASH: Final = 1_000_000_000_000
GRID_MANDATE_DAYS: Final = 365
FAILED: Final = "failed"


class EnrolmentFailed(GridtraceError):
    """A participant or meter could not be taken into the market."""

    code = "enrolment-failed"


async def wait_until(what: str, found: Callable[[], Awaitable[bool]], limit_s: float = INDEXED_S) -> None:
    """Returns once ``found``; raises EnrolmentFailed naming what did not come."""
    try:
        async with asyncio.timeout(limit_s):
            while not await found():  # noqa: ASYNC110 -- it happens in other processes
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise EnrolmentFailed(f"{what} is not there after {limit_s:.0f} s") from None


async def market_now(client: Client) -> datetime:
    """Market time as the API tells it."""
    return (await client.status()).clock.now


async def enrol(
    client: Client,
    people: Sequence[Member],
    keys: KeyRing,
    fuses_w: Mapping[int, int],
    progress: Progress = lambda done, total: None,
) -> int:
    """Registers who is not registered yet, as the operator; returns how many transactions that took."""
    total = 2 * len(people) + 1
    kyc_until = await market_now(client) + timedelta(days=KYC_DAYS)
    everyone = [("grid", ["producer", "consumer"]), *((member.name, [member.role]) for member in people)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def clear(name: str, roles: list[str]) -> int | None:
        async with gate:
            account = keys.address(name)
            if await _participant(client, account):
                return None
            return (await client.register(account, roles=roles, kyc_until=kyc_until, country=COUNTRY)).outbox_id

    sent = await asyncio.gather(*(clear(name, roles) for name, roles in everyone))
    await _mined(client, sent, lambda done: progress(done, total))
    known = await _known_meters(client, people, keys)

    async def install(member: Member) -> int | None:
        async with gate:
            if member.meter_id in known:
                return None
            accepted = await client.register_meter(
                member.meter_id,
                owner=keys.address(member.name),
                kind=member.kind,
                zone=ZONE,
                driver=member.driver,
                device=member.device,
                address=member.address,
                key=signer_of(member, keys),
                fuse_w=fuses_w[member.meter_id],
                plant_id=member.name if member.kind == "plant" else None,
            )
            return accepted.outbox_id

    installed = await asyncio.gather(*(install(member) for member in people))
    await _mined(client, installed, lambda done: progress(len(sent) + done, total))
    await wait_until("the last registered participant", lambda: _participant(client, keys.address(people[-1].name)))
    return sum(number is not None for number in (*sent, *installed))


async def supply(client: Client) -> None:
    """The grid supplier pays in and signs the mandate under which imbalance is charged to him; as the grid account."""
    balances = await client.balances()
    now = await market_now(client)
    steps: list[int] = []
    if balances.cash < GRID_CASH // 2:
        faucet = await client.faucet(GRID_CASH, request_id=f"grid-{int(now.timestamp())}")
        await _mined(client, [faucet.outbox_id])
        steps.append((await client.deposit(GRID_CASH)).outbox_id)
    if balances.mandate is None or balances.mandate.expiry < now + timedelta(days=1):
        mandate = await client.set_mandate(
            budget_per_slot=GRID_CASH // 1_000,
            budget=GRID_CASH,
            expiry=now.astimezone(UTC) + timedelta(days=GRID_MANDATE_DAYS),
            nonce=int(now.timestamp()),
        )
        steps.append(mandate.outbox_id)
    await _mined(client, steps)

    async def funded() -> bool:
        found = await client.balances()
        return found.cash > 0 and found.mandate is not None

    await wait_until("the grid supplier's deposit and mandate", funded)


async def _mined(
    client: Client, outbox_ids: Iterable[int | None], told: Callable[[int], None] = lambda done: None
) -> None:
    for number, outbox_id in enumerate(outbox_ids):
        told(number)
        if outbox_id is None:
            continue
        done = await client.wait_mined(outbox_id, timeout_s=INDEXED_S)
        if done.state == FAILED:
            raise EnrolmentFailed(f"{done.kind} (transaction {outbox_id}) failed: {done.error}")


async def _participant(client: Client, account: bytes) -> bool:
    return await _found(lambda: client.participant(account)) is not None


async def _known_meters(client: Client, people: Sequence[Member], keys: KeyRing) -> set[int]:
    lists = await asyncio.gather(*(client.meters(keys.address(member.name)) for member in people))
    return {meter.meter_id for meters in lists for meter in meters}


async def _found(ask: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await ask()
    except ApiProblem as problem:
        if problem.status == 404:
            return None
        raise
