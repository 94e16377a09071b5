"""Refusals as providers word them, and what is understood of each."""

from typing import Any

import pytest

from indexer.limits import Kind, understand

RANGES: list[tuple[str, int, str, Any, int | None]] = [
    ("alchemy", -32600, "You can make eth_getLogs requests with up to a 100 block range. Based on your parameters, "
     "this block range should work: [0x100000, 0x100063]", None, 100),
    ("alchemy 2k", -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range "
     "and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. "
     "Based on your parameters and the response size limit, this block range should work: [0x0, 0x3e7]", None, 1_000),
    ("infura", -32005, "query returned more than 10000 results. Try with this block range [0xBDE5F8, 0xBDE6F7].",
     {"from": "0xBDE5F8", "limit": 10_000, "to": "0xBDE6F7"}, 256),
    ("infura span", -32602, "range 1000000 exceeds limit of 10000", None, 10_000),
    ("quicknode", -32614, "eth_getLogs is limited to a 10,000 range", None, 10_000),
    ("1rpc", -32602, "eth_getLogs is limited to 0 - 50 blocks range", None, 50),
    ("ankr", -32600, "block range is too wide", None, None),
    ("cloudflare", -32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800", None,
     800),
    ("blockpi", -32602, "eth_getLogs is limited to 1024 block range. Please check the parameter requirements", None,
     1_024),
    ("reth", -32602, "query exceeds max results 20000, retry with the range 25766988-25767087", None, 100),
    ("reth span", -32602, "query exceeds max block range 100000", None, 100_000),
    ("nethermind", -32602, "invalid params",
     "Query returned more than 50000 results. Try with this block range [0x1000000, 0x100000f].", 16),
    ("ronin", -32602, "Invalid params", "requested block range 16777217 exceeds the limit of 200; narrow your "
     "fromBlock/toBlock", 200),
    ("arbitrum", -32000, "logs matched by query exceeds limit of 10000", None, None),
    ("polygon zkevm", -32000, "block range too large, max range: 10000", None, 10_000),
    ("pulsechain", -32000, "query returned more than allowed number of logs, try with smaller block range", None, None),
    ("immutable", -32000, "exceeded maximum block range: 5000", None, 5_000),
    ("cronos", -32000, "maximum [from, to] blocks distance: 2000", None, 2_000),
    ("avalanche", -32000, "requested too many blocks from 50331648 to 51380224, maximum is set to 2048", None, 2_048),
    ("sonic", -32000, "too wide blocks range, the limit is 100", None, 100),
    ("harmony", -32000, "GetLogs query must be smaller than size 1024", None, 1_024),
    ("celo", -32602, "query exceeds range, retry smaller (max block range 5000, got 16777216)", None, 5_000),
    ("mantle", -32602, "block range greater than 10000 max", None, 10_000),
    ("bsc", -32000, "exceed maximum block range: 5000", None, 5_000),
    ("morph", -32000, "block range is larger than max block range, block range = 5120, max block range = 5000", None,
     5_000),
    ("tenderly", -32602, "invalid params", {"payload": "range 9009594 is bigger than range limit 2000"}, 2_000),
    ("scroll", -32000, "block range is bigger than maxBlockRange", None, None),
    ("moonbeam", -32603, "block range is too wide (maximum 1024)", None, 1_024),
    ("llama", -32602, "eth_getLogs range is too large, max is 1k blocks", None, 1_000),
    ("drpc", 35, "ranges over 10000 blocks are not supported on freetier", None, 10_000),
    ("thirdweb", -32602, "Maximum allowed number of requested blocks is 2000", None, 2_000),
    ("optimism", -32020, "backend response too large", None, None),
    ("1rpc size", -32603, "response size should not greater than 10000000 bytes", None, None),
    ("erigon", -32000, "query timed out", None, None),
    ("geth", -32002, "request timed out", None, None),
    ("geth batch answer", -32003, "response too large", None, None),
]  # fmt: skip
RATES: list[tuple[str, int, str, float | None]] = [
    ("alchemy", 429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, you "
     "can safely ignore this message.", None),
    ("infura", -32005, "project ID request rate exceeded", None),
    ("infura day", -32005, "daily request count exceeded, request rate limited", None),
    ("quicknode", -32007, "50/second request limit reached - reduce calls per second or upgrade your account", None),
    ("bsc", -32005, "limit exceeded", None),
    ("base", -32016, "over rate limit", None),
    ("ankr", -32005, "call rate limit exhausted, retry in 10s", 10.0),
    ("public", -32029, "Too Many Requests, retry in 1m30s", 90.0),
    ("blast", -32097, "capacity exceeded", None),
    ("geth", -32005, "too many requests", None),
    ("alchemy outage", -32001, "Unable to complete request at this time.", None),
    ("base outage", -32011, "no backend is currently healthy to serve traffic", None),
    ("mevblocker", -32603, "service temporarily unavailable", None),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "code", "message", "data", "blocks"), RANGES, ids=[case[0] for case in RANGES])
def test_understand__range__is_told_with_its_size(
    provider: str, code: int, message: str, data: Any, blocks: int | None
) -> None:
    limit = understand(code, message, data)
    assert (limit.kind, limit.blocks) == (Kind.RANGE, blocks)


@pytest.mark.parametrize(("provider", "code", "message", "retry_s"), RATES, ids=[case[0] for case in RATES])
def test_understand__rate__is_told_with_its_pause(
    provider: str, code: int, message: str, retry_s: float | None
) -> None:
    limit = understand(code, message)
    assert (limit.kind, limit.retry_s) == (Kind.RATE, retry_s)


@pytest.mark.parametrize(
    "message",
    ["batch too large", "batch size is too large", "too many RPC calls in batch request", "maximum batch size is 100"],
)
def test_understand__batch__is_told(message: str) -> None:
    assert understand(-32600, message).kind is Kind.BATCH


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (3, "execution reverted"),
        (-32601, "the method eth_getLogs does not exist/is not available"),
        (-32602, "Archive requests require a personal token."),
        (-32000, "header not found"),
        (-32000, "missing trie node 0xabc (path )"),
        (-32000, "insufficient funds for gas * price + value"),
        (-32602, ""),
    ],
)
def test_understand__anything_else__is_no_limit(code: int, message: str) -> None:
    assert understand(code, message).kind is Kind.OTHER


def test_understand__impossible_numbers__are_not_believed() -> None:
    assert understand(-32000, "block range too large, max range: 0").blocks is None
    assert understand(-32005, "try this block range [0x10, 0x5]").blocks is None
    assert understand(-32005, "x", {"from": "zz", "to": "0x5"}).kind is Kind.RATE
