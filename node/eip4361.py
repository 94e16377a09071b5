"""Sign-in messages after EIP-4361 ("Sign-In with Ethereum"), read strictly and without I/O.

https://eips.ethereum.org/EIPS/eip-4361
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eth_hash.auto import keccak

from node.errors import Refused

MAX_LENGTH: Final = 4_096

_MESSAGE: Final = re.compile(
    r"""
    (?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.\-]*)://)?(?P<domain>[^\s/?\#@]+)
    \ wants\ you\ to\ sign\ in\ with\ your\ Ethereum\ account:\n
    (?P<address>0x[0-9a-fA-F]{40})\n
    \n
    (?:(?P<statement>[^\n]+)\n)?
    \n
    URI:\ (?P<uri>[a-zA-Z][a-zA-Z0-9+.\-]*:[^\s]+)\n
    Version:\ (?P<version>1)\n
    Chain\ ID:\ (?P<chain_id>[0-9]{1,20})\n
    Nonce:\ (?P<nonce>[a-zA-Z0-9]{8,128})\n
    Issued\ At:\ (?P<issued_at>\S+)
    (?:\nExpiration\ Time:\ (?P<expiration_time>\S+))?
    (?:\nNot\ Before:\ (?P<not_before>\S+))?
    (?:\nRequest\ ID:\ (?P<request_id>[^\s]*))?
    (?:\nResources:(?P<resources>(?:\n-\ \S+)*))?
    """,
    re.VERBOSE,
)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")


class BadSignInMessage(Refused):
    """The message is not a sign-in message after EIP-4361."""

    code = "sign-in-message-invalid"


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """A sign-in message's fields; times are aware."""

    scheme: str | None
    domain: str
    address: str
    statement: str | None
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expiration_time: datetime | None
    not_before: datetime | None


def _time(text: str | None, field: str) -> datetime | None:
    if text is None:
        return None
    if not _RFC3339.fullmatch(text):
        raise BadSignInMessage(f"{field} is not an RFC 3339 time: {text!r}")
    # datetime reads at most microseconds.
    whole = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        return datetime.fromisoformat(whole)
    except ValueError as error:
        raise BadSignInMessage(f"{field} is not a time: {text!r}") from error


def parse(text: str) -> SignInMessage:
    """Reads a message.

    Raises:
        BadSignInMessage: it does not follow the grammar of EIP-4361, or a time in it is no time.
    """
    if len(text) > MAX_LENGTH:
        raise BadSignInMessage(f"the message has {len(text)} characters, more than {MAX_LENGTH}")
    found = _MESSAGE.fullmatch(text)
    if found is None:
        raise BadSignInMessage
    issued_at = _time(found["issued_at"], "Issued At")
    assert issued_at is not None
    return SignInMessage(
        scheme=found["scheme"],
        domain=found["domain"],
        address=found["address"],
        statement=found["statement"],
        uri=found["uri"],
        chain_id=int(found["chain_id"]),
        nonce=found["nonce"],
        issued_at=issued_at,
        expiration_time=_time(found["expiration_time"], "Expiration Time"),
        not_before=_time(found["not_before"], "Not Before"),
    )


def compose(
    *, domain: str, address: str, uri: str, chain_id: int, nonce: str, issued_at: datetime, statement: str
) -> str:
    """The text a client signs."""
    return (
        f"{domain} wants you to sign in with your Ethereum account:\n{address}\n\n{statement}\n\n"
        f"URI: {uri}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\n"
        f"Issued At: {issued_at.strftime('%Y-%m-%dT%H:%M:%SZ')}"
    )


def digest(text: str) -> bytes:
    """What a wallet's ``personal_sign`` signs for ``text`` (EIP-191, version 0x45)."""
    data = text.encode()
    return bytes(keccak(b"\x19Ethereum Signed Message:\n%d" % len(data) + data))
