"""Ledger answers that are told again: only to everybody, and only while they hold."""

import asyncio

import httpx
import pytest

from tests.integration.api.conftest import ALICE_KEY, Market

pytestmark = pytest.mark.integration

BLOCKS = "/v1/ledger/blocks"


async def changed(market: Market, gas: int) -> None:
    """A change of the mirror that the index did not make: who sees it, has read the table again."""
    await market.execute("update blockchain.blocks set gas_used = $1", gas)


def gas_used(answer: httpx.Response) -> int:
    assert answer.status_code == 200
    return int(answer.json()["items"][0]["gas_used"])


async def test_answer__nothing_has_moved__is_told_again_with_the_same_tag(market: Market) -> None:
    async with market.http() as http:
        await changed(market, 7)
        first = await http.get(BLOCKS)
        await changed(market, 8)
        await http.get(BLOCKS)
        again = await http.get(BLOCKS)
        other = await http.get(BLOCKS, params={"limit": 5})
        unchanged = await http.get(BLOCKS, headers={"If-None-Match": first.headers["etag"]})
    assert (gas_used(first), gas_used(again), gas_used(other)) == (7, 7, 8)
    assert first.content == again.content and first.headers["etag"] == again.headers["etag"]
    assert [name for name, _ in again.headers.multi_items()] == [name for name, _ in first.headers.multi_items()]
    assert first.headers["x-trace-id"] != again.headers["x-trace-id"]
    assert unchanged.status_code == 304


@pytest.mark.parametrize(
    "moved",
    [
        "update blockchain.cursors set reorg_epoch = reorg_epoch + 1",
        "update blockchain.cursors set head_number = head_number + 1",
        "update blockchain.cursors set finalized_number = finalized_number + 1",
    ],
)
async def test_answer__index_has_moved__is_read_again(market: Market, moved: str) -> None:
    async with market.http() as http:
        await changed(market, 7)
        assert gas_used(await http.get(BLOCKS)) == 7
        await changed(market, 8)
        await market.execute(moved)
        assert gas_used(await http.get(BLOCKS)) == 8


async def test_answer__second_has_passed__says_how_old_it_is(market: Market) -> None:
    async with market.http() as http:
        first = await http.get(BLOCKS)
        market.clock.time_s += 1
        second = await http.get(BLOCKS)
    assert second.json()["meta"]["lag_seconds"] == first.json()["meta"]["lag_seconds"] + 1


async def test_answer__somebody_asks__is_his_own(market: Market) -> None:
    async with market.client(ALICE_KEY) as client:
        token = (await client.sign_in()).session_token
    async with market.http() as http, market.http(token) as hers:
        await changed(market, 7)
        assert gas_used(await http.get(BLOCKS)) == 7
        await changed(market, 8)
        assert gas_used(await hers.get(BLOCKS)) == 8


async def test_answer__many_ask_at_once_while_the_index_moves__none_is_older_than_its_question(market: Market) -> None:
    async with market.http() as http:
        for number in range(1, 6):
            await changed(market, number)
            await market.execute("update blockchain.cursors set reorg_epoch = reorg_epoch + 1")
            answers = await asyncio.gather(*(http.get(BLOCKS) for _ in range(20)))
            assert {gas_used(answer) for answer in answers} == {number}


async def test_answer__fault__is_not_kept(market: Market) -> None:
    async with market.http() as http:
        behind = await http.get(BLOCKS, params={"min_block": 1_000_000})
        assert (behind.status_code, behind.json()["code"]) == (409, "index-behind")
        refused = await http.get(BLOCKS, params={"limit": "many"})
        assert refused.status_code == 422
