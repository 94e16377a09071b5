"""A JSON-RPC endpoint that lies, stalls and mangles: anvil behind a proxy with one fault at a time."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any, Final, TypeAlias

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

Call: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Call, Answer], Answer]
"""One call's answer, made worse."""


def of_logs(change: Callable[[list[Any]], Any]) -> Change:
    """Changes what eth_getLogs gives, where it gives anything."""

    def apply(call: Call, answer: Answer) -> Answer:
        if call["method"] != "eth_getLogs" or not answer.get("result"):
            return answer
        return {**answer, "result": change(deepcopy(answer["result"]))}

    return apply


def of_log(**fields: Any) -> Change:
    """Changes fields of the last log."""
    return of_logs(lambda logs: [*logs[:-1], {**logs[-1], **fields}])


def of_header(change: Callable[[dict[str, Any]], Any], *, tags: bool = True, numbers: bool = True) -> Change:
    """Changes the headers asked for by tag, by number, or both."""

    def apply(call: Call, answer: Answer) -> Answer:
        if call["method"] != "eth_getBlockByNumber" or not answer.get("result"):
            return answer
        is_number = call["params"][0].startswith("0x")
        if not (numbers if is_number else tags):
            return answer
        return {**answer, "result": change(dict(answer["result"]))}

    return apply


def of_tag(tag: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    def apply(call: Call, answer: Answer) -> Answer:
        if call["method"] != "eth_getBlockByNumber" or call["params"][0] != tag:
            return answer
        return {**answer, "result": change(dict(answer["result"]))}

    return apply


def every(change: Callable[[Answer], Answer]) -> Change:
    return lambda call, answer: change(answer)


def _error(code: int, message: str) -> Change:
    return every(lambda answer: {"jsonrpc": "2.0", "id": answer["id"], "error": {"code": code, "message": message}})


def _another_chain(block: dict[str, Any]) -> dict[str, Any]:
    return {**block, "hash": "0x" + "cd" * 32, "parentHash": "0x" + "ce" * 32}


def _moved(block: dict[str, Any], by: int) -> dict[str, Any]:
    return {**block, "number": hex(int(block["number"], 16) + by)}


FOREIGN: Final = {"address": "0x" + "ee" * 20}
HUGE: Final = "0x" + "f" * 40

CHANGES: Final[dict[str, Change]] = {
    "busy": _error(-32005, "limit"),
    "refused": _error(-32000, "header not found"),
    "refused by a dump": _error(-32000, "x" * 100_000),
    "null results": every(lambda answer: {**answer, "result": None}),
    "text results": every(lambda answer: {**answer, "result": "0xzz"}),
    "list results": every(lambda answer: {**answer, "result": [[]]}),
    "other ids": every(lambda answer: {**answer, "id": answer["id"] + 1_000_000}),
    "text ids": every(lambda answer: {**answer, "id": str(answer["id"])}),
    "wrong chain": lambda call, answer: {**answer, "result": "0x1"} if call["method"] == "eth_chainId" else answer,
    "chain id no number": lambda call, answer: (
        {**answer, "result": "zz"} if call["method"] == "eth_chainId" else answer
    ),
    "null blocks": of_header(lambda block: None),
    "null numbered blocks": of_header(lambda block: None, tags=False),
    "next block skipped": of_header(lambda block: _moved(block, 1), tags=False),
    "block number negative": of_header(lambda block: {**block, "number": "-0x1"}),
    "block number huge": of_header(lambda block: {**block, "number": HUGE}),
    "block number no number": of_header(lambda block: {**block, "number": "seven"}),
    "hash short": of_header(lambda block: {**block, "hash": "0x12"}, tags=False),
    "receipts root short": of_header(lambda block: {**block, "receiptsRoot": "0x12"}, tags=False),
    "bloom short": of_header(lambda block: {**block, "logsBloom": "0x12"}, tags=False),
    "bloom empty": of_header(lambda block: {**block, "logsBloom": "0x" + "00" * 256}, tags=False),
    "other parent": of_header(lambda block: {**block, "parentHash": "0x" + "ab" * 32}, tags=False),
    "time huge": of_header(lambda block: {**block, "timestamp": HUGE}, tags=False),
    "time beyond the calendar": of_header(lambda block: {**block, "timestamp": "0x" + "7" + "f" * 14}, tags=False),
    "gas huge": of_header(lambda block: {**block, "gasUsed": HUGE}, tags=False),
    "finality ahead": of_tag("finalized", lambda block: {**block, "number": "0xffffff"}),
    "safety ahead": of_tag("safe", lambda block: {**block, "number": "0xffffff"}),
    "head behind": of_tag("latest", lambda block: {**block, "number": "0x1", "hash": "0x" + "cd" * 32}),
    "head far ahead": of_tag("latest", lambda block: _moved(block, 100_000)),
    "logs lost": of_logs(lambda logs: []),
    "last log lost": of_logs(lambda logs: logs[:-1]),
    "first log lost": of_logs(lambda logs: logs[1:]),
    "logs null": of_logs(lambda logs: None),
    "log doubled": of_logs(lambda logs: [*logs, logs[-1]]),
    "logs reversed": of_logs(lambda logs: logs[::-1]),
    "log of another contract": of_logs(
        lambda logs: [*logs, {**logs[-1], **FOREIGN, "logIndex": hex(int(logs[-1]["logIndex"], 16) + 1)}]
    ),
    "log removed": of_log(removed=True),
    "log of another block": of_log(blockHash="0x" + "ab" * 32),
    "log without block": of_log(blockNumber=None, blockHash=None, logIndex=None),
    "log index no number": of_log(logIndex="zz"),
    "log index huge": of_log(logIndex=HUGE),
    "log index negative": of_log(logIndex="-0x1"),
    "log block no number": of_log(blockNumber="zz"),
    "log hash no hexadecimal": of_log(blockHash="0xzz"),
    "log address no hexadecimal": of_log(address="0xzz"),
    "log address short": of_log(address="0x12"),
    "log topics none": of_log(topics=[]),
    "log topics many": of_log(topics=["0x" + "12" * 32] * 9),
    "log topic short": of_logs(lambda logs: [*logs[:-1], {**logs[-1], "topics": [*logs[-1]["topics"][:-1], "0x12"]}]),
    "log data no hexadecimal": of_log(data="0x" + "zz" * 64),
    "log data spaced": of_logs(lambda logs: [*logs[:-1], {**logs[-1], "data": logs[-1]["data"][:-2] + "  "}]),
    "log transaction short": of_log(transactionHash="0x12"),
}
"""Faults of the answers' contents."""
REPLACED: Final = {"another chain": of_header(_another_chain)}
"""No fault that can be told from the truth while it lasts."""

RAW: Final = (
    "500",
    "429",
    "redirected",
    "truncated",
    "reset",
    "empty",
    "page",
    "not UTF-8",
    "not UTF-8 inside",
    "deep",
    "huge",
    "stalled",
)
"""Faults of the transport."""


class HostileNode:
    """Forwards to anvil; spoils answers as long as ``fault`` names a fault."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.fault = ""
        self.spoiled = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        calls = await request.json()
        async with aiohttp.ClientSession() as session, session.post(self._url, json=calls) as response:
            answers = await response.json()
        if self.fault in RAW:
            self.spoiled += 1
            return await self._raw(request, answers)
        if change := (CHANGES | REPLACED).get(self.fault):
            changed = [change(call, answer) for call, answer in zip(calls, answers, strict=True)]
            self.spoiled += changed != answers
            answers = changed
        return web.json_response(answers)

    async def _raw(self, request: web.Request, answers: Any) -> web.StreamResponse:
        text = json.dumps(answers).encode()
        match self.fault:
            case "500" | "429":
                return web.Response(status=int(self.fault), text="no")
            case "redirected":
                return web.Response(status=307, headers={"Location": "/elsewhere"})
            case "truncated":
                return web.Response(body=text[: len(text) // 2])
            case "empty":
                return web.Response(body=b"")
            case "page":
                return web.Response(text="<html>login</html>")
            case "not UTF-8":
                return web.Response(body=b"\xff\xfe" + text)
            case "not UTF-8 inside":
                return web.Response(body=text.replace(b'"0x', b'"\xff0x'))
            case "deep":
                return web.Response(body=b"[" * 200_000)
            case "huge":
                return web.Response(body=b'[{"id":1,"result":"' + b"0" * 2_000_000 + b'"}]')
            case "stalled":
                await asyncio.sleep(1.0)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@asynccontextmanager
async def hostile_node(url: str) -> AsyncIterator[tuple[HostileNode, str]]:
    """The proxy and its address."""
    node = HostileNode(url)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/", node.handle)
    async with TestServer(app) as server:
        yield node, str(server.make_url("/"))
