"""JSON-RPC to Ethereum nodes: time limits, several endpoints, batches."""

import itertools
import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeAlias

import httpx

from contracts.errors import GridtraceError
from indexer.errors import RpcUnavailable
from indexer.rpc import http_url

logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0
BATCH_SIZE: Final = 50
_LIMIT_EXCEEDED: Final = -32_005  # EIP-1474

Call: TypeAlias = tuple[str, tuple[Any, ...]]
"""Method and parameters."""


class RpcError(GridtraceError):
    """The node refused a request."""

    code = "rpc-refused"

    def __init__(self, method: str, error: Any) -> None:
        fields = error if isinstance(error, dict) else {"message": str(error)}
        self.method = method
        self.rpc_code = fields.get("code")
        self.message = str(fields.get("message", ""))
        self.data = fields.get("data")
        super().__init__(f"{method}: {self.message} (code {self.rpc_code})")


class Rpc(Protocol):
    """One chain's JSON-RPC."""

    async def call(self, method: str, *params: Any) -> Any:
        """The result. Raises RpcError where the node refuses, RpcUnavailable where none answers."""
        ...

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Results in the order of ``calls``, an RpcError in the place of a refused one. Raises RpcUnavailable."""
        ...


class HttpRpc:
    """Asks the first endpoint that answers, beginning with the one that answered last."""

    def __init__(self, urls: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> None:
        if not urls:
            raise ValueError("no address of a node")
        self._urls = [http_url(url) for url in urls]
        self._client = httpx.AsyncClient(timeout=timeout_s)
        self._ids = itertools.count(1)

    async def call(self, method: str, *params: Any) -> Any:
        """The result. Raises RpcError where the node refuses, RpcUnavailable where none answers in time."""
        (result,) = await self.batch([(method, params)])
        if isinstance(result, RpcError):
            raise result
        return result

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Results in the order of ``calls``, an RpcError in the place of a refused one. Raises RpcUnavailable."""
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_SIZE):
            results += await self._ask_any(calls[start : start + BATCH_SIZE])
        return results

    async def close(self) -> None:
        """Gives the connections back."""
        await self._client.aclose()

    async def _ask_any(self, calls: Sequence[Call]) -> list[Any]:
        reasons = []
        for url in tuple(self._urls):
            try:
                return await self._ask(url, calls)
            except (httpx.HTTPError, ValueError, RpcUnavailable) as error:
                # Addresses of hosted nodes carry their access key in the path: only the host is named.
                reasons.append(f"{httpx.URL(url).host}: {type(error).__name__} {error}".strip())
                self._urls.append(self._urls.pop(0))
        raise RpcUnavailable(f"no node answers {calls[0][0]}: {'; '.join(reasons)}")

    async def _ask(self, url: str, calls: Sequence[Call]) -> list[Any]:
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params} for method, params in calls
        ]
        response = await self._client.post(url, json=requests[0] if len(requests) == 1 else requests)
        if response.status_code == 429 or response.status_code >= 500:
            raise RpcUnavailable(f"HTTP {response.status_code}")
        body = response.json()
        answers = {answer.get("id"): answer for answer in (body if isinstance(body, list) else [body])}
        return [self._result(request, answers.get(request["id"])) for request in requests]

    @staticmethod
    def _result(request: dict[str, Any], answer: dict[str, Any] | None) -> Any:
        if answer is None:
            raise RpcUnavailable(f"no answer to {request['method']}")
        if (error := answer.get("error")) is None:
            return answer.get("result")
        refusal = RpcError(request["method"], error)
        if refusal.rpc_code == _LIMIT_EXCEEDED:
            raise RpcUnavailable(str(refusal))
        return refusal
