"""Where a stranger may have us send to: public addresses, asked for again at every connection.

What a name means is decided once, by the resolver of the connection itself, so that it cannot mean something else a
moment later (DNS rebinding). Redirects are not followed and proxies of the environment not used.
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from node.errors import Refused

LONGEST: Final = 2_000
SECURE_PORT: Final = 443
FIRST_USER_PORT: Final = 1_024
_PLAIN: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
"""No space, no control character, no backslash, which programs read in different ways."""
_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class WebhookRefused(Refused):
    """A webhook goes to an https address that the public internet knows."""

    code = "webhook-refused"


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is anybody's to reach, and leads nowhere else by what is packed into it."""
    if isinstance(address, IPv6Address):
        packed = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(address in network for network in _NAT64):
            packed.append(IPv4Address(int(address) & 0xFFFFFFFF))
        if any(inner is not None for inner in packed):
            return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not special


def checked(text: str, allowed: frozenset[str] = frozenset()) -> URL:
    """The address as it will be called.

    Args:
        allowed: hosts with port (``127.0.0.1:9000``) that the operator lets through whatever they are.

    Raises:
        WebhookRefused.
    """
    if len(text) > LONGEST or not _PLAIN.fullmatch(text):
        raise WebhookRefused("it is too long, or has characters that no address has")
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        raise WebhookRefused(str(error)) from error
    if not host or port is None:
        raise WebhookRefused("it names no host")
    if url.scheme in ("http", "https") and f"{host}:{port}" in allowed:
        return url
    if url.scheme != "https" or url.user is not None or url.password is not None:
        raise WebhookRefused("it must be https, without a user")
    if port != SECURE_PORT and port < FIRST_USER_PORT:
        raise WebhookRefused(f"port {port} is not for webhooks")
    try:
        address = ip_address(host)
    except ValueError:
        return url  # a name: what it means is looked at when it is called
    if not is_public(address):
        raise WebhookRefused(f"{host} is no public address")
    return url


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those that mean anything but public addresses."""

    def __init__(self, inner: AbstractResolver, allowed: frozenset[str]) -> None:
        self._inner = inner
        self._allowed = allowed

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        """As the port says; raises OSError where one of the addresses is not public."""
        found = await self._inner.resolve(host, port, family)
        if f"{host}:{port}" not in self._allowed:
            for result in found:
                if not is_public(ip_address(result["host"].partition("%")[0])):
                    raise OSError(f"{host} is {result['host']}, which is no public address")
        return found

    async def close(self) -> None:
        """Gives the inner resolver back."""
        await self._inner.close()


def open_session(allowed: frozenset[str], inner: AbstractResolver | None = None) -> aiohttp.ClientSession:
    """A client that calls public addresses and keeps nothing between calls."""
    resolver = PublicResolver(inner or aiohttp.ThreadedResolver(), allowed)
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
