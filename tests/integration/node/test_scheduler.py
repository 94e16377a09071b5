"""One node leads, a standby takes over, a failing job does not stop the others."""

import asyncio
import logging

import pytest

from indexer.db import Connection
from node import scheduler
from node.market.agreement import AreasDiffer
from node.scheduler import Job

pytestmark = pytest.mark.integration


async def until(condition: asyncio.Event, timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        await condition.wait()


class Ticks:
    """Counts runs and can wait for the next one."""

    def __init__(self) -> None:
        self.count = 0
        self.happened = asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        self.happened.set()


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_run__two_nodes__only_one_works_until_it_stops(database_url: str) -> None:
    first, second = Ticks(), Ticks()
    leader = asyncio.create_task(scheduler.run(database_url, [Job("first", 0.05, first)]))
    await until(first.happened)
    standby = asyncio.create_task(scheduler.run(database_url, [Job("second", 0.05, second)]))
    await asyncio.sleep(1.5)
    assert second.count == 0

    await stop(leader)

    await until(second.happened)
    await stop(standby)


async def test_run__node_that_may_not_lead__leaves_it_to_one_that_may(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Ticks(), Ticks()
    allowed = True

    async def may_lead(_: Connection) -> None:
        if not allowed:
            raise AreasDiffer("other areas")

    leader = asyncio.create_task(scheduler.run(database_url, [Job("first", 0.05, first)], may_lead))
    await until(first.happened)
    standby = asyncio.create_task(scheduler.run(database_url, [Job("second", 0.05, second)]))
    allowed = False

    await until(second.happened, 20)
    led = first.count
    second.happened.clear()
    await until(second.happened, 20)
    assert first.count == led
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "this node does not lead: other areas (areas-differ)"
    ]
    await stop(standby)
    await stop(leader)


async def test_run__cancelled_in_the_middle_of_a_job__logs_no_failure(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    started = asyncio.Event()

    async def wait() -> None:
        started.set()
        await asyncio.sleep(60)

    node = asyncio.create_task(scheduler.run(database_url, [Job("wait", 0.05, wait)]))
    await until(started)
    await stop(node)
    await asyncio.sleep(0.1)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_run__failing_job__is_told_once_and_the_others_go_on(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = Ticks()
    failures = 0

    async def fail() -> None:
        nonlocal failures
        failures += 1
        raise RuntimeError("broken on purpose")

    with caplog.at_level(logging.WARNING, logger="node.scheduler"):
        task = asyncio.create_task(scheduler.run(database_url, [Job("bad", 0.05, fail), Job("good", 0.05, good)]))
        while failures < 3 or good.count < 3:
            await asyncio.sleep(0.05)
        await stop(task)

    told = [record for record in caplog.records if "broken on purpose" in record.getMessage()]
    assert len(told) == 1
