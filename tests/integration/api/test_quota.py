"""One quota for all API processes, in Redis."""

import asyncio
import time

import pytest

from api import quota
from api.quota import Quota

pytestmark = pytest.mark.integration

LIMIT = 1_000
PROCESSES = 16


async def test_take__sixteen_processes_at_once__grant_the_quota_and_no_more(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine Redis may seem away; what is tested is that it is asked.
    monkeypatch.setattr(quota, "REDIS_TIMEOUT_S", 30.0)
    processes = [Quota(redis_url, LIMIT) for _ in range(PROCESSES)]

    async def spend(process: Quota) -> int:
        return sum([(await process.take("192.0.2.1", 1))[0] for _ in range(200)])

    begun = time.monotonic()
    granted = sum(await asyncio.gather(*(spend(process) for process in processes)))
    refilled = LIMIT / 60 * (time.monotonic() - begun)
    others = await processes[0].take("192.0.2.2", 1)
    for process in processes:
        await process.close()

    # The bucket refills while this runs; lots that were taken and not spent are not granted.
    assert LIMIT * 0.9 <= granted <= LIMIT * 1.01 + refilled
    assert others[0]


async def test_take__dear_request__is_never_granted_in_part(redis_url: str) -> None:
    process = Quota(redis_url, 100)
    found = [await process.take("192.0.2.1", 40) for _ in range(4)]
    await process.close()
    assert [granted for granted, _ in found] == [True, True, False, False]
    assert found[-1][1] >= 20
