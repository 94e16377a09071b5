"""One quota for all API processes, in Redis."""

import asyncio

import pytest

from api.quota import Quota

pytestmark = pytest.mark.integration

LIMIT = 1_000
PROCESSES = 16


async def test_take__sixteen_processes_at_once__grant_the_quota_and_no_more(redis_url: str) -> None:
    processes = [Quota(redis_url, LIMIT) for _ in range(PROCESSES)]

    async def spend(process: Quota) -> int:
        return sum([(await process.take("192.0.2.1", 1))[0] for _ in range(200)])

    granted = sum(await asyncio.gather(*(spend(process) for process in processes)))
    others = await processes[0].take("192.0.2.2", 1)
    for process in processes:
        await process.close()

    # The bucket refills by 17 a second while this runs; lots that were taken and not spent are not granted.
    assert LIMIT * 0.9 <= granted <= LIMIT * 1.01 + LIMIT / 60 * 30
    assert others[0]


async def test_take__dear_request__is_never_granted_in_part(redis_url: str) -> None:
    process = Quota(redis_url, 100)
    found = [await process.take("192.0.2.1", 40) for _ in range(4)]
    await process.close()
    assert [granted for granted, _ in found] == [True, True, False, False]
    assert found[-1][1] >= 20
