"""Templates to pages."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.web.format import FILTERS


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("api.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment


def render(
    template: str,
    request: Request,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """One page; never cached, since it is of one moment."""
    is_devnet = request.app.state.services.config.devnet
    text = _templates().get_template(template).render(path=request.url.path, is_devnet=is_devnet, **context)
    return HTMLResponse(text, status_code, {"Cache-Control": "no-store", **(headers or {})})
