"""A published auction or day-ahead session as a document: from a file, from the API, or a book's bytes alone."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from api.client.results import ExchangeDomain
from api.client.signing import rfc3339
from api.client.transport import Transport
from contracts.typed_data import BadAddress, Domain, parse_address
from indexer.block import unhex
from indexer.errors import ConfigError
from node.errors import Refused
from node.market.rerun import Publication
from node.market.session_rerun import SaidBlocks

MAGICS = (b"GTBK", b"GTAB", b"GTDA")
SESSION_MAGIC = b"GTDA"


class DocumentUnreadable(Refused):
    """The document is not what the API publishes of an auction."""

    code = "auction-document-unreadable"


class NotPublished(Refused):
    """The auction is not published yet."""

    code = "auction-not-published"


@dataclass(frozen=True, slots=True)
class Known:
    """What the caller knows better than the document, as text."""

    book_hash: str | None = None
    result_hash: str | None = None
    chain_id: int | None = None
    exchange: str | None = None


class Document(msgspec.Struct):
    """The answer of ``/v1/markets/{zone}/book``, or of ``day-ahead`` there, with the exchange's signing domain of
    ``/v1/contracts`` beside it.
    """

    zone: int | None = None
    delivery_start: datetime | None = None
    book: str | None = None
    book_hash: str | None = None
    result_hash: str | None = None
    exchange_domain: ExchangeDomain | None = None
    day: datetime | None = None
    accepted_blocks: tuple[int, ...] | None = None
    rejected_blocks: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a document says, as it is judged."""

    publication: Publication
    domain: Domain
    blocks: SaidBlocks | None
    """Of a day-ahead session, where the document says them."""

    @property
    def is_session(self) -> bool:
        """Whether the book is that of a whole day."""
        return self.publication.book.startswith(SESSION_MAGIC)


def fetch(url: str, zone: int, slot: datetime | None, day: date | None = None) -> bytes:
    """Asks the API for the document of a slot, or of a day-ahead session. Raises ApiProblem or ApiUnreachable."""

    async def ask() -> bytes:
        api = Transport(url, timeout_s=30.0)
        try:
            path, query = f"/v1/markets/{zone}/day-ahead", {"day": str(day)}
            if slot is not None:
                path, query = f"/v1/markets/{zone}/book", {"delivery_start": rfc3339(slot)}
            book = await api.call("GET", path, dict[str, Any], query=query)
            contracts = await api.call("GET", "/v1/contracts", dict[str, Any])
        finally:
            await api.close()
        return msgspec.json.encode({"zone": zone, **book, "exchange_domain": contracts.get("exchange_domain")})

    return asyncio.run(ask())


def read(path: Path | None) -> bytes:
    """A file's content, or standard input's for ``-``."""
    try:
        return sys.stdin.buffer.read() if path is None or str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error


def write(path: Path, content: bytes) -> None:
    """Keeps a document."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error


def parse(content: bytes, known: Known) -> Parsed:
    """What a document says, where ``known`` does not say otherwise.

    Raises:
        DocumentUnreadable: neither a document nor a book's bytes.
        NotPublished: the document says that there is no book yet.
        ConfigError: what must be known to judge is neither in the document nor in ``known``.
    """
    if content.startswith(MAGICS):
        document, book = Document(), content
    else:
        try:
            document = msgspec.json.decode(content, type=Document, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DocumentUnreadable(str(error)) from error
        if document.book is None:
            raise NotPublished("the document has no book: the gate is open, or there was no auction")
        book = _octets("book", document.book)
    hashes = [_hash(known, document, name) for name in ("book_hash", "result_hash")]
    begins = document.day if book.startswith(SESSION_MAGIC) else document.delivery_start
    publication = Publication(document.zone, None if begins is None else int(begins.timestamp()), book, *hashes)
    blocks = None
    if document.accepted_blocks is not None and document.rejected_blocks is not None:
        blocks = SaidBlocks(document.accepted_blocks, document.rejected_blocks)
    return Parsed(publication, _domain(known, document.exchange_domain), blocks)


def _octets(name: str, text: str, length: int | None = None) -> bytes:
    try:
        return unhex(text, length)
    except ValueError as error:
        raise DocumentUnreadable(f"{name}: {error}") from error


def _hash(known: Known, document: Document, name: str) -> bytes:
    if given := getattr(known, name):
        try:
            return unhex(given, 32)
        except ValueError as error:
            raise ConfigError([f"--{name.replace('_', '-')}: {error}"]) from error
    if (said := getattr(document, name)) is None:
        raise ConfigError([f"the document has no {name}: give --{name.replace('_', '-')}"])
    return _octets(name, said, 32)


def _domain(known: Known, said: ExchangeDomain | None) -> Domain:
    chain_id = known.chain_id or (said and said.chain_id)
    exchange = known.exchange or (said and said.verifying_contract)
    if not chain_id or not exchange:
        raise ConfigError(["the document has no exchange_domain: give --chain-id and --exchange"])
    try:
        return Domain(chain_id, parse_address(exchange))
    except BadAddress as error:
        raise ConfigError([f"--exchange: {error}"]) if known.exchange else DocumentUnreadable(str(error)) from error
