"""HTTP under the client: time limits, and patience with an API that is just restarting."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import httpx
import msgspec

from api.client.problem import ApiProblem, ApiUnreachable, raise_for_problem

T = TypeVar("T")

RETRY_DELAYS_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)


class Transport:
    """Sends requests to one API and decodes what it answers.

    A request that may be repeated is sent again while the API cannot be reached or says that it is not ready.
    """

    def __init__(self, base_url: str, *, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.base_url, timeout=timeout_s, transport=transport)
        self._bearer: str | None = None

    def authorise(self, session_token: str) -> None:
        """Sends this session with every request from now on."""
        self._bearer = session_token

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}

    async def call(
        self,
        method: str,
        path: str,
        result: type[T],
        *,
        body: object = None,
        content: bytes | None = None,
        query: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> T:
        """The decoded answer.

        Raises:
            ApiProblem: the API answered with a problem.
            ApiUnreachable: it did not answer.
        """
        for delay_s in (*RETRY_DELAYS_S, None):
            try:
                response = await self._send(method, path, body, content, query, headers)
                raise_for_problem(response)
                return msgspec.json.decode(response.content or b"null", type=result, strict=False)
            except (ApiUnreachable, ApiProblem) as error:
                if delay_s is None or not (repeatable and error.retryable):
                    raise
                await asyncio.sleep(delay_s)
        raise AssertionError("the last attempt returns or raises")

    async def _send(
        self,
        method: str,
        path: str,
        body: object,
        content: bytes | None,
        query: Mapping[str, str | int | None] | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Response:
        present = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            return await self._http.request(
                method,
                path,
                json=body,
                content=content,
                params=present,
                headers={**self._headers, **(headers or {})},
            )
        except httpx.TransportError as error:
            raise ApiUnreachable(f"{method} {self.base_url}{path}: {type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def lines(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an endless answer, without a read limit shorter than the API's 30 s ping."""
        timeout = httpx.Timeout(10.0, read=75.0)
        try:
            async with self._http.stream(
                "GET", path, params=dict(query), headers=self._headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    await response.aread()
                raise_for_problem(response)
                yield response.aiter_lines()
        except httpx.TransportError as error:
            raise ApiUnreachable(f"stream {path}: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Gives the connections back."""
        await self._http.aclose()


def as_list(items: list[dict[str, Any]], of: type[T]) -> list[T]:
    """Items of a page as values."""
    return msgspec.convert(items, type=list[of], strict=False)  # type: ignore[valid-type]
