"""Blocks in a Kubo node, over its RPC. https://docs.ipfs.tech/reference/kubo/rpc/

Every identifier is computed here first: a node that answers another one is refused, and what it returns is hashed
again.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from node.documents.blocks import BlockAltered, BlockMissing
from node.documents.cid import DAG_PB, Cid
from node.errors import GridtraceError

TIMEOUT_S: Final = 30.0
PIN_TIMEOUT_S: Final = 120.0


class KuboUnreachable(GridtraceError):
    """The IPFS node does not answer."""

    code = "ipfs-unreachable"
    retryable = True


class KuboRefused(GridtraceError):
    """The IPFS node answered with an error."""

    code = "ipfs-refused"


class KuboBlocks:
    """Blocks of a Kubo node. ``url`` is its RPC address, such as ``http://127.0.0.1:5001``."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, transport: httpx.AsyncBaseTransport | None = None):
        self._http = httpx.AsyncClient(base_url=url.rstrip("/") + "/api/v0/", timeout=timeout_s, transport=transport)

    async def put(self, cid: Cid, block: bytes) -> None:
        codec = "dag-pb" if cid.codec == DAG_PB else "raw"
        parameters = {"cid-codec": codec, "mhtype": "sha2-256", "mhlen": "-1", "pin": "false"}
        answer = (await self._call("block/put", parameters, files={"data": ("block", block)})).json()
        # A version 0 identifier and a version 1 of the same block have the same digest.
        if Cid.parse(answer["Key"]).digest != cid.digest or answer["Size"] != len(block):
            raise KuboRefused(f"the node named {cid} {answer['Key']} ({answer['Size']} of {len(block)} bytes)")

    async def get(self, cid: Cid) -> bytes:
        try:
            # Offline: a block that this node has lost is reported, not looked for over the whole network.
            block = (await self._call("block/get", {"arg": str(cid), "offline": "true"})).content
        except KuboRefused as error:
            if "not found" in str(error) or "could not find" in str(error):
                raise BlockMissing(f"block {cid} is not in the IPFS node") from error
            raise
        if not cid.names(block):
            raise BlockAltered(f"the IPFS node answered {len(block)} bytes for {cid} that it does not name")
        return block

    async def pin(self, root: Cid, *, recursive: bool = True) -> None:
        parameters: dict[str, str | list[str]] = {"arg": str(root), "recursive": "true" if recursive else "false"}
        answer = await self._call("pin/add", parameters, timeout_s=PIN_TIMEOUT_S)
        if root.digest not in {Cid.parse(text).digest for text in answer.json().get("Pins") or ()}:
            raise KuboRefused(f"the node did not pin {root}: {answer.text[:200]}")

    async def place(self, root: Cid, path: str) -> None:
        """Shows a tree under ``path`` of the node's own file system, in place of what was there."""
        parent = path.rpartition("/")[0]
        if parent:
            await self._call("files/mkdir", {"arg": parent, "parents": "true", "cid-version": "1"})
        found = await self._stat(path)
        if found == root.digest:
            return
        if found is not None:
            await self._call("files/rm", {"arg": path, "recursive": "true", "force": "true"})
        await self._call("files/cp", {"arg": [f"/ipfs/{root}", path]})

    async def close(self) -> None:
        await self._http.aclose()

    async def _stat(self, path: str) -> bytes | None:
        try:
            answer = await self._call("files/stat", {"arg": path})
        except KuboRefused as error:
            if "does not exist" in str(error):
                return None
            raise
        return Cid.parse(answer.json()["Hash"]).digest

    async def _call(
        self,
        method: str,
        parameters: Mapping[str, str | list[str]],
        *,
        files: dict[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """One call; the RPC takes POST only. An error is a status of 500 with a message, or comes after the answer."""
        options: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        try:
            response = await self._http.post(method, params=parameters, files=files, **options)
        except httpx.HTTPError as error:
            raise KuboUnreachable(f"{self._http.base_url}{method}: {type(error).__name__}: {error}") from error
        late = response.headers.get("x-stream-error")
        if response.status_code != httpx.codes.OK or late:
            raise KuboRefused(f"{method}: {late or _message(response)}")
        return response


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["Message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:200]}"
