"""On which line of a TOML text a key stands: the standard library's parser does not tell."""

import re
from collections import defaultdict
from typing import Final

_KEY: Final = r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'"
_PATH: Final = rf"(?:{_KEY})(?:\s*\.\s*(?:{_KEY}))*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]\]?\s*(#.*)?$")
_PAIR: Final = re.compile(rf"\s*({_PATH})\s*=")
_QUOTES: Final = ('"""', "'''")


class TomlLines:
    """Lines of the keys and tables of a text that has been parsed without a fault."""

    def __init__(self, text: str) -> None:
        self._found: dict[str, int] = {}
        self._counts: dict[str, int] = defaultdict(int)
        table, within = "", ""
        for number, line in enumerate(text.splitlines(), 1):
            if within:
                within = "" if within in line else within
            elif match := _HEADER.match(line):
                table = self._table(match[2], is_array=match[1] == "[[")
                self._found[table] = number
            elif match := _PAIR.match(line):
                place = f"{table}.{_plain(match[1])}" if table else _plain(match[1])
                self._found.setdefault(place, number)
                within = next((quote for quote in _QUOTES if line.count(quote) % 2), "")
                for inner in re.findall(rf"[{{,]\s*({_KEY})\s*=", line[match.end() :]):
                    self._found.setdefault(f"{place}.{_plain(inner)}", number)

    def of(self, place: str) -> int | None:
        """The line of ``chains[0].id``, or of the table that it would stand in; None where nothing is known."""
        while place:
            if place in self._found:
                return self._found[place]
            place = place.rpartition(".")[0]
        return None

    def _table(self, path: str, *, is_array: bool) -> str:
        """The place of a table's header, with the numbers of the arrays that it stands in."""
        place = ""
        parts = _plain(path).split(".")
        for at, part in enumerate(parts):
            place = f"{place}.{part}" if place else part
            is_last = at == len(parts) - 1
            if is_last and is_array:
                self._counts[place] += 1
            if self._counts.get(place):
                place = f"{place}[{self._counts[place] - 1}]"
        return place


def _plain(path: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in path.split("."))
