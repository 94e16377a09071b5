from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse, Response, StreamingResponse

from api.etag import Tagged, matches, tag_of


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [('"a"', True), ('W/"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("a", False), ("", False)],
)
def test_matches__lists_weak_and_any__as_http_has_them(wanted: str, expected: bool) -> None:
    assert matches(wanted, '"a"') is expected
    assert matches(wanted, 'W/"a"') is expected


def test_tag__only_the_age_differs__is_the_same_and_weak() -> None:
    assert tag_of(b'{"lag_seconds":1,"x":1}') == tag_of(b'{"lag_seconds":22,"x":1}')
    assert tag_of(b'{"lag_seconds":1}').startswith("W/")
    assert tag_of(b'{"x":1}') != tag_of(b'{"x":2}')
    assert tag_of(b'{"x":1}').startswith('"')


def application() -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(Tagged)

    @app.get("/v1/thing")
    async def thing() -> JSONResponse:
        return JSONResponse({"x": 1}, headers={"Cache-Control": "private, no-store"})

    @app.post("/v1/thing")
    async def change() -> JSONResponse:
        return JSONResponse({"x": 1})

    @app.get("/v1/file")
    async def file() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"[]"

        return StreamingResponse(parts(), media_type="application/json")

    @app.get("/v1/missing")
    async def missing() -> Response:
        return JSONResponse({}, 404)

    return httpx.AsyncClient(base_url="http://it.test", transport=httpx.ASGITransport(app))


async def test_read__had_already__is_304_without_a_body() -> None:
    async with application() as http:
        first = await http.get("/v1/thing")
        again = await http.get("/v1/thing", headers={"If-None-Match": first.headers["etag"]})
        other = await http.get("/v1/thing", headers={"If-None-Match": '"other"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["cache-control"] == "private, no-store"
    assert "content-length" not in again.headers
    assert (other.status_code, other.json()) == (200, {"x": 1})


async def test_answer__in_parts_or_no_read_or_no_success__goes_on_as_it_is() -> None:
    async with application() as http:
        for answer in (await http.get("/v1/file"), await http.post("/v1/thing"), await http.get("/v1/missing")):
            assert "etag" not in answer.headers
        assert (await http.get("/v1/file")).content == b"[]" * 3
