"""The client of a Kubo node, against a server that answers as the RPC's documentation says.

A live daemon is used instead where an ``ipfs`` program is on the PATH.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest

from node.documents import files
from node.documents.blocks import BlockAltered, BlockMissing
from node.documents.cid import DAG_PB, RAW, Cid
from node.documents.kubo import KuboBlocks, KuboRefused, KuboUnreachable
from node.documents.unixfs import CLASSIC

DATA = bytes(range(256)) * 2_000


async def pieces(data: bytes = DATA) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


class Kubo:
    """What the documented calls do, with switches for its faults."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.paths: dict[str, str] = {}
        self.pins: dict[str, str] = {}
        self.alter: Callable[[str, dict[str, object]], dict[str, object]] = lambda _, answer: answer
        self.dead = False

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.dead:
            raise httpx.ConnectError("connection refused")
        if request.method != "POST":
            return httpx.Response(405)
        method = request.url.path.removeprefix("/api/v0/")
        query = parse_qs(request.url.query.decode())
        answer = getattr(self, "_" + method.replace("/", "_"))(query, await request.aread())
        if isinstance(answer, dict):
            return httpx.Response(200, json=self.alter(method, answer))
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, content=answer)

    @staticmethod
    def _error(message: str) -> httpx.Response:
        return httpx.Response(500, json={"Message": message, "Code": 0, "Type": "error"})

    def _block_put(self, query: dict[str, list[str]], body: bytes) -> dict[str, object]:
        block = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
        cid = Cid.of(block, DAG_PB if query["cid-codec"] == ["dag-pb"] else RAW)
        self.blocks[cid.digest] = block
        return {"Key": str(cid), "Size": len(block)}

    def _block_get(self, query: dict[str, list[str]], _: bytes) -> bytes | httpx.Response:
        cid = Cid.parse(query["arg"][0])
        if cid.digest not in self.blocks:
            return self._error(f"block was not found locally (offline): ipld: could not find {cid}")
        return self.blocks[cid.digest]

    def _pin_add(self, query: dict[str, list[str]], _: bytes) -> dict[str, object]:
        self.pins[query["arg"][0]] = query["recursive"][0]
        return {"Pins": query["arg"]}

    def _files_mkdir(self, query: dict[str, list[str]], _: bytes) -> bytes:
        return b""

    def _files_stat(self, query: dict[str, list[str]], _: bytes) -> dict[str, object] | httpx.Response:
        found = self.paths.get(query["arg"][0])
        return {"Hash": found, "Size": 1} if found else self._error("file does not exist")

    def _files_rm(self, query: dict[str, list[str]], _: bytes) -> bytes:
        del self.paths[query["arg"][0]]
        return b""

    def _files_cp(self, query: dict[str, list[str]], _: bytes) -> bytes | httpx.Response:
        source, target = query["arg"]
        if target in self.paths:
            return self._error(f"cp: cannot put node in path {target}: directory already has entry by that name")
        self.paths[target] = source.removeprefix("/ipfs/")
        return b""


@pytest.fixture
def kubo() -> Kubo:
    return Kubo()


@pytest.fixture
async def blocks(kubo: Kubo) -> AsyncIterator[KuboBlocks]:
    client = KuboBlocks("http://127.0.0.1:5001", transport=httpx.MockTransport(kubo))
    yield client
    await client.close()


async def test_kubo__file__reads_back(blocks: KuboBlocks) -> None:
    root = await files.add(blocks, pieces(), CLASSIC, len(DATA))
    assert b"".join([part async for part in files.read(blocks, root.cid)]) == DATA


async def test_kubo__names_another_block__is_refused(kubo: Kubo, blocks: KuboBlocks) -> None:
    kubo.alter = lambda method, answer: {**answer, "Key": str(Cid.of(b"other", RAW))} if "put" in method else answer
    with pytest.raises(KuboRefused, match="named"):
        await files.add(blocks, pieces(), CLASSIC, len(DATA))


async def test_kubo__does_not_pin__is_refused(kubo: Kubo, blocks: KuboBlocks) -> None:
    kubo.alter = lambda method, answer: {"Pins": []} if method == "pin/add" else answer
    with pytest.raises(KuboRefused, match="pin"):
        await files.add(blocks, pieces(), CLASSIC, len(DATA))


async def test_kubo__lost_or_altered_block__is_never_served(kubo: Kubo, blocks: KuboBlocks) -> None:
    root = await files.add(blocks, pieces(b"deed"), CLASSIC, 4)
    kubo.blocks[root.cid.digest] = b"deer"
    with pytest.raises(BlockAltered):
        await blocks.get(root.cid)
    kubo.blocks.clear()
    with pytest.raises(BlockMissing):
        await blocks.get(root.cid)


async def test_kubo__dead_in_mid_upload__is_said_and_can_be_repeated(kubo: Kubo, blocks: KuboBlocks) -> None:
    async def cut() -> AsyncIterator[bytes]:
        async for piece in pieces():
            yield piece
            kubo.dead = True

    with pytest.raises(KuboUnreachable):
        await files.add(blocks, cut(), CLASSIC, len(DATA))
    kubo.dead = False
    root = await files.add(blocks, pieces(), CLASSIC, len(DATA))
    assert await files.faults(blocks, root.cid) == []


async def test_kubo__place__shows_the_newest(kubo: Kubo, blocks: KuboBlocks) -> None:
    for content in (b"deed", b"deed", b"newer deed"):
        root = await files.add(blocks, pieces(content), CLASSIC, 100)
        await blocks.place(root.cid, "/assets/42/legal/deed.pdf")
        assert kubo.paths == {"/assets/42/legal/deed.pdf": str(root.cid)}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("ipfs")
    if program is None:
        pytest.skip("no ipfs program on the PATH: a live Kubo is not tested")
    environment = {"IPFS_PATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = lambda *words: subprocess.run([program, *words], env=environment, check=True, timeout=60)  # noqa: E731
    run("init", "--empty-repo", "--profile=test")
    run("config", "Addresses.API", f"/ip4/127.0.0.1/tcp/{port}")
    process = subprocess.Popen([program, "daemon", "--offline"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


async def test_kubo__live_daemon__agrees(daemon: str) -> None:
    blocks = KuboBlocks(daemon)
    root = await files.add(blocks, pieces(), CLASSIC, len(DATA))
    assert b"".join([part async for part in files.read(blocks, root.cid)]) == DATA
    await blocks.place(root.cid, "/assets/42/legal/deed.pdf")
    await blocks.place(root.cid, "/assets/42/legal/deed.pdf")
    with pytest.raises(BlockMissing):
        await blocks.get(Cid.of(b"never stored", RAW))
    await blocks.close()
