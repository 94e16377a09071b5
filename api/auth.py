"""How a session travels: a cookie for people, a bearer token for machines; and what a browser may send with it."""

import re
import secrets
from typing import Final

from fastapi.responses import Response
from starlette.requests import HTTPConnection

from api.config import ApiConfig
from node.errors import Refused

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
BROWSER_KEY_BYTES: Final = 16
BROWSER_KEY: Final = re.compile(rf"[0-9a-f]{{{2 * BROWSER_KEY_BYTES}}}")
BROWSER_KEY_LIFE_S: Final = 600
SESSION_COOKIE: Final = "sid"
BROWSER_COOKIE: Final = "browser"


class SessionRequired(Refused):
    """Sign in first."""

    code = "session-required"


class Forbidden(Refused):
    """Your role does not allow this."""

    code = "forbidden"


class OriginRefused(Refused):
    """A request with a session cookie must come from our own page."""

    code = "origin-refused"


def cookie_name(config: ApiConfig, name: str) -> str:
    """``__Host-`` pins a cookie to this host and TLS; browsers refuse the prefix without TLS."""
    return f"__Host-{name}" if config.secure else name


def set_cookie(response: Response, config: ApiConfig, name: str, value: str, life_s: int) -> None:
    """A cookie that no script reads and no other site sends."""
    response.set_cookie(
        cookie_name(config, name), value, life_s, path="/", secure=config.secure, httponly=True, samesite="strict"
    )


def drop_cookie(response: Response, config: ApiConfig, name: str) -> None:
    """Makes the browser forget a cookie."""
    response.delete_cookie(cookie_name(config, name), path="/", secure=config.secure, httponly=True, samesite="strict")


def new_browser_key() -> str:
    """Binds a sign-in nonce to the browser that asked for it."""
    return secrets.token_hex(BROWSER_KEY_BYTES)


def browser_key(connection: HTTPConnection, config: ApiConfig) -> str | None:
    """The browser key this request carries; None where it is not one of ours."""
    key = connection.cookies.get(cookie_name(config, BROWSER_COOKIE), "")
    return key if BROWSER_KEY.fullmatch(key) else None


def session_token(connection: HTTPConnection, config: ApiConfig) -> str | None:
    """The session this request carries.

    Raises:
        OriginRefused: it comes in a cookie, changes something, and was not sent by our own page.
    """
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    cookie = connection.cookies.get(cookie_name(config, SESSION_COOKIE))
    if cookie is not None and connection.scope.get("method", "GET") not in SAFE_METHODS:
        require_own_origin(connection, config)
    return cookie


def require_own_origin(connection: HTTPConnection, config: ApiConfig) -> None:
    """Raises OriginRefused unless the request names our own origin, or (no browser) none at all."""
    origin = connection.headers.get("origin")
    site = connection.headers.get("sec-fetch-site")
    if (origin is not None and origin != config.public_url) or site not in (None, "same-origin", "none"):
        raise OriginRefused(f"origin {origin}, this is {config.public_url}")
