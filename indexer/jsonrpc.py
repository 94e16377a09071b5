"""JSON-RPC batches as text: requests out, answers back in the order of the requests.

Source: https://www.jsonrpc.org/specification
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from indexer.errors import Disagreement, RpcRefused
from indexer.limits import Limit, understand

T = TypeVar("T")

TOO_LARGE: Final = -32_000
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
LONG_ANSWER_BYTES: Final = 100_000
_LIST: Final = b'"result":['
_CUT: Final = b'"cut out"'


class Fault(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: Any = None


class Answer(msgspec.Struct, frozen=True):
    id: int | None = None
    result: Any = msgspec.Raw(b"null")
    error: Fault | None = None


class _Answer(msgspec.Struct, frozen=True):
    """As on the wire."""

    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Fault | None = None


class _Refusal(_Answer, frozen=True, kw_only=True):
    """The one answer to a batch that the endpoint did not take."""

    id: int | None = None
    error: Fault


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a method and its parameters."""

    method: str
    params: tuple[Any, ...] = ()


Result: TypeAlias = msgspec.Raw | memoryview | RpcRefused
"""The raw JSON of one result, or the endpoint's refusal."""


class Unusable(Exception):
    """An endpoint did not give a usable answer; another one, or the same later, may."""


class Limited(Unusable):
    """The endpoint wants fewer requests, or fewer calls a request."""

    def __init__(self, text: str, limit: Limit) -> None:
        self.limit = limit
        super().__init__(text)


_answers = msgspec.json.Decoder(list[_Answer])
_single = msgspec.json.Decoder(_Answer)
_refusal = msgspec.json.Decoder(_Refusal)
_encoder = msgspec.json.Encoder()


def encode(calls: Sequence[Call], ids: Sequence[int], *, single: bool = False) -> bytes:
    """The text of a batch; with ``single``, of its one call by itself."""
    requests = [
        {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
        for number, call in zip(ids, calls, strict=True)
    ]
    return _encoder.encode(requests[0] if single else requests)


def results(calls: Sequence[Call], ids: Sequence[int], content: bytes) -> list[Result]:
    """The answers in the order of the calls.

    Raises:
        Unusable: not JSON-RPC, or answers are missing.
        Limited: the endpoint wants less at once.
    """
    answers = {answer.id: answer for answer in _parse(content)}
    whole = answers.get(None)
    is_short = len(calls) > 1 and (whole is not None or len(answers) < len(calls))
    for error in (answer.error for answer in answers.values() if answer.error):
        limit = understand(error.code, error.message, error.data)
        if limit.kind is limit.kind.RATE or (limit.kind is limit.kind.BATCH and is_short):
            raise Limited(f"{limit.kind.value}: {error.message[:200]} (code {error.code})", limit)
    if whole:
        # One error for all: the endpoint takes no batch, or none of this size.
        return [_result(call, whole) for call in calls]
    if missing := [number for number in ids if number not in answers]:
        raise Unusable(f"{len(missing)} of {len(ids)} answers are missing")
    return [_result(call, answers[number]) for call, number in zip(calls, ids, strict=True)]


def too_large(calls: Sequence[Call], most_bytes: int) -> list[Result]:
    """As if the endpoint had refused: who asked for a range will ask for less."""
    return [RpcRefused(call.method, TOO_LARGE, f"response too large: over {most_bytes} bytes") for call in calls]


def decode(result: Result, type: type[T] | Any) -> T | Any:
    """The typed value of a result.

    Raises:
        RpcRefused: the result is a refusal.
        Disagreement: the result is of another type.
    """
    if isinstance(result, RpcRefused):
        raise result
    try:
        return msgspec.json.decode(result, type=type)
    except UNREADABLE as error:
        raise Disagreement(f"unexpected RPC answer: {error}") from error


def _result(call: Call, answer: Answer | _Answer) -> Result:
    if answer.error is None:
        found: Result = answer.result
        return found
    return RpcRefused(call.method, answer.error.code, answer.error.message, answer.error.data)


def _parse(content: bytes) -> Sequence[Answer | _Answer]:
    """The answers of a batch.

    A long list is cut out before the rest is decoded, and put back as it is: who reads it, checks it.
    """
    if len(content) > LONG_ANSWER_BYTES and (answers := _parse_around(content)):
        return answers
    try:
        if content.lstrip()[:1] == b"[":
            return _answers.decode(content)
        answer = _single.decode(content)
        return [answer if answer.id is not None else _refusal.decode(content)]
    except UNREADABLE as error:
        raise Unusable(f"not a JSON-RPC answer ({error}): {content[:200]!r}") from error


def _parse_around(content: bytes) -> list[Answer] | None:
    """The answers, the first list among them as it stands; None where the first list is not a result, and long."""
    text = np.frombuffer(content, dtype=np.uint8)
    start = content.find(_LIST, 0, LONG_ANSWER_BYTES) + len(_LIST) - 1
    braces = np.flatnonzero(text > ord("z"))
    closing = (text[braces] == ord("}")) & (text[braces - 1] == ord("]")) & (braces > start)
    end = int(braces[np.argmax(closing)]) if len(braces) else 0
    if text[0] != ord("[") or start < len(_LIST) or end - start < LONG_ANSWER_BYTES // 2:
        return None
    head, tail = content[:start], content[end:]
    if _CUT in head or _CUT in tail:
        return None
    try:
        found = _answers.decode(head + _CUT + tail)
    except UNREADABLE:
        return None
    if not any(bytes(one.result) == _CUT for one in found):
        return None
    cut = memoryview(content)[start:end]
    answers = [Answer(one.id, one.result, one.error) for one in found]
    return [replace(one, result=cut) if bytes(one.result) == _CUT else one for one in answers]
