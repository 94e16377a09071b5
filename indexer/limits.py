"""What an endpoint means when it refuses: too wide a range, too much at once, or too often.

No two providers say it alike, and many say it under a code that means something else. What is not known is taken
for a refusal of the range where a range was asked for, so that halving it finds the limit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

RATE_CODES: Final = frozenset({429, -32005, -32007, -32016, -32097})
"""Codes that mean "too often" unless the text says something else."""
SMALLEST_LIMIT: Final = 1
LARGEST_LIMIT: Final = 10_000_000


class Kind(Enum):
    """What to do less of."""

    RANGE = "range"
    """Fewer blocks a request: by their number, their logs, or the time that they take."""
    RATE = "rate"
    """Fewer requests a second."""
    BATCH = "batch"
    """Fewer calls a request."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Limit:
    """A refusal understood."""

    kind: Kind
    blocks: int | None = None
    """How many blocks the endpoint says it takes, where it says so."""
    retry_s: float | None = None
    """How long it wants to be left alone, where it says so."""


# In this order: a text about both size and rate is about what comes first.
_RANGE: Final = re.compile(
    r"""
      block\ range | blocks?\ range | range\ (?:is\ )?(?:too|limit|exceed|\d+\ (?:exceeds|is\ bigger))
    | exceeds?(?:ed)?\ (?:the\ )?(?:max(?:imum)?|allowed|limit\ of\ \d+|range)
    | range\ too\ large | too\ wide | blocks?\ distance | too\ many\ blocks | number\ of\ (?:requested\ )?blocks
    | (?:more|greater)\ than\ (?:allowed|\d[\d,_]*)\ ?(?:number\ of\ |logs|results|events|max)?
    | too\ many\ (?:results|logs|events|addresses) | (?:max|maximum)\ (?:logs|results)
    | response\ (?:size|is|too)[\w\ ]*(?:exceed|too|limit|greater|large|big)
    | (?:response|result|body|payload)\ (?:is\ )?too\ (?:large|big)
    | smaller\ than\ size | reduce\ (?:the\ |your\ )?(?:query\ |block\ )?range | smaller\ (?:block\ )?range | narrow
    | limited\ to\ (?:a\ |an\ |0\ -\ )?[\d,_.]+\s?k?\ (?:blocks?\ )?range
    | quer(?:y|ies)\ (?:timed?\ ?out|timeout|exceeds?|took|returned) | request\ timed?\ ?out | context\ deadline
    | execution\ (?:timeout|aborted) | timeout\ exceeded | ranges\ over\ [\d,]+ | exceeds\ the\ range
    """,
    re.VERBOSE | re.IGNORECASE,
)
_RATE: Final = re.compile(
    r"""
      too\ many\ requests | rate\ ?limit | rate\ exceeded | request\ (?:limit|rate) | requests?\ per | calls?\ per
    | compute\ units | capacity | throttl | quota | over\ rate | limit\ exceeded$ | limit\ reached | slow\ down
    | daily\ (?:request|relay) | monthly | retry\ (?:in|after) | try\ again\ later | temporarily\ unavailable | busy
    | no\ backend\ is | unable\ to\ complete\ request | concurrent\ requests
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BATCH: Final = re.compile(
    r"""
      batch\w*\ (?:size|too|limit|is|of|requests?\ (?:are|not|exceed)) | too\ many\ (?:calls|rpc\ calls|items)
    | max(?:imum)?\ batch | calls\ in\ (?:one\ )?batch
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER: Final = r"(\d[\d,_]*)\s?(k(?=\b)|m(?=\b))?"
_STATED: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"up to a {_NUMBER} block range",
        rf"(?:limited|limit) to (?:a |an |0 - )?{_NUMBER} ?(?:blocks? )?range",
        rf"(?:max(?:imum)?(?: block)? range|blocks? distance|range limit)(?: is| of|:)?\s*{_NUMBER}",
        rf"range \d+ (?:exceeds limit of|is bigger than range limit) {_NUMBER}",
        rf"block range =? ?\d*,? ?max block range = {_NUMBER}",
        rf"too many blocks.*maximum is set to {_NUMBER}",
        rf"blocks? range,? the limit is {_NUMBER}",
        rf"requested block range \d+ exceeds the limit of {_NUMBER}",
        rf"block range greater than {_NUMBER} max",
        rf"max(?:imum)?(?: allowed)? (?:number of )?(?:requested )?blocks(?: is|:)? {_NUMBER}",
        rf"too large, max(?:imum)? is {_NUMBER} blocks",
        rf"ranges over {_NUMBER} blocks",
        rf"smaller than size {_NUMBER}",
        rf"too wide \(maximum {_NUMBER}\)",
        rf"exceed(?:s|ed)? max(?:imum)? block range:? {_NUMBER}",
    )
)
_WORKING: Final = re.compile(r"\[\s*(0x[0-9a-f]+)\s*,\s*(0x[0-9a-f]+)\s*\]|range (\d+)-(\d+)", re.IGNORECASE)
_RETRY: Final = re.compile(
    r"(?:retry|reset|again|wait)[\w ]*?(?:in|after)?\s+(?:(\d+)m)?(\d+(?:\.\d+)?)\s?(ms|s)", re.IGNORECASE
)


def understand(code: int, message: str, data: Any = None) -> Limit:
    """What an error answer to ``eth_getLogs`` or a batch means.

    Args:
        data: the error's ``data``; some providers put there what the message should say.
    """
    text = f"{message} {_words(data)}".strip()[:2_000]
    if _BATCH.search(text) and not _RANGE.search(text):
        return Limit(Kind.BATCH)
    stated = _stated(text)
    working = _working(text, data)
    if stated is not None or working is not None or _says_range(text):
        return Limit(Kind.RANGE, blocks=min((n for n in (stated, working) if n is not None), default=None))
    if code in RATE_CODES or _RATE.search(text):
        return Limit(Kind.RATE, retry_s=_retry_s(text))
    return Limit(Kind.OTHER)


def is_rate(code: int, message: str, data: Any = None) -> bool:
    """Whether an error means "too often" rather than something about the request."""
    return understand(code, message, data).kind is Kind.RATE


def _says_range(text: str) -> bool:
    found = _RANGE.search(text)
    if found is None:
        return False
    rate = _RATE.search(text)
    # "compute units … capacity" and the like also count something that was exceeded.
    return (
        rate is None
        or (rate.group().lower() in ("capacity", "limit exceeded") and "block" in text.lower())
        or (rate.start() > found.start())
    )


def _words(data: Any) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, Mapping):
        parts = (value for value in data.values() if isinstance(value, str | Mapping))
        return " ".join(_words(part) for part in parts)
    return ""


def _stated(text: str) -> int | None:
    for pattern in _STATED:
        if found := pattern.search(text):
            number = int(found[1].replace(",", "").replace("_", ""))
            number *= {"k": 1_000, "m": 1_000_000}.get((found[2] or "").lower(), 1)
            if SMALLEST_LIMIT <= number <= LARGEST_LIMIT:
                return number
    return None


def _working(text: str, data: Any) -> int | None:
    """The size of the range that the endpoint proposes."""
    first, last = None, None
    if isinstance(data, Mapping) and isinstance(data.get("from"), str) and isinstance(data.get("to"), str):
        first, last = data["from"], data["to"]
    elif found := _WORKING.search(text):
        first, last = found[1] or found[3], found[2] or found[4]
    if first is None or last is None:
        return None
    try:
        size = int(last, 0) - int(first, 0) + 1
    except ValueError:
        return None
    return size if SMALLEST_LIMIT <= size <= LARGEST_LIMIT else None


def _retry_s(text: str) -> float | None:
    found = _RETRY.search(text)
    if found is None:
        return None
    seconds = float(found[2]) * (0.001 if found[3].lower() == "ms" else 1.0)
    return seconds + 60.0 * int(found[1] or 0)
