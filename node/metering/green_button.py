"""Energy intervals out of a Green Button file (NAESB REQ.21 ESPI, an Atom feed). Pure.

Times in such a file are UTC, so that a day of 23 or 25 hours is nothing special; what it says of daylight saving is
for showing local time. A document type declaration is refused, and with it every entity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final
from xml.parsers import expat

from node.metering.intervals import BadIntervals, Interval

ESPI: Final = "http://naesb.org/espi"
ATOM: Final = "http://www.w3.org/2005/Atom"
WATT_HOURS: Final = 72
FORWARD: Final = 1
REVERSE: Final = 19
MOST_DEPTH: Final = 40
MOST_TENS: Final = 9


@dataclass(slots=True)
class _Node:
    """An element, by its name without the namespace's prefix."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    children: "list[_Node]" = field(default_factory=list)

    def all(self, tag: str) -> "Iterator[_Node]":
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)

    def number(self, tag: str, default: int | None = None) -> int:
        for child in self.children:
            if child.tag == tag:
                try:
                    return int(child.text)
                except ValueError:
                    raise BadIntervals(f"{self.tag}/{tag} is {child.text.strip()!r}, not a whole number") from None
        if default is None:
            raise BadIntervals(f"{self.tag} has no {tag}")
        return default


@dataclass(frozen=True, slots=True)
class _Kind:
    """A reading type: how many Wh one unit is, and which way it flows."""

    uom: int
    factor: Fraction
    is_export: bool


def parse(content: bytes) -> list[Interval]:
    """Every interval of energy in the file; other quantities are left out.

    Raises:
        BadIntervals: it is no such file, or says nothing of energy.
    """
    root = _tree(content)
    found = [interval for entry in root.all("entry") for interval in _intervals(entry, _kinds(root))]
    if not found:
        raise BadIntervals("no IntervalReading of energy (uom 72, Wh)")
    return found


def _kinds(root: _Node) -> dict[str, _Kind]:
    """Reading types by the address of the meter reading that they belong to; "" where there is only one."""
    types: dict[str, _Kind] = {}
    for entry in root.all("entry"):
        for said in entry.all("ReadingType"):
            tens, flow = said.number("powerOfTenMultiplier", 0), said.number("flowDirection", FORWARD)
            if abs(tens) > MOST_TENS or flow not in (FORWARD, REVERSE):
                raise BadIntervals(f"ReadingType with powerOfTenMultiplier {tens} and flowDirection {flow}")
            kind = _Kind(said.number("uom", WATT_HOURS), Fraction(10) ** tens, flow == REVERSE)
            types |= dict.fromkeys(_links(entry, "self"), kind)
    found = {"": next(iter(types.values()))} if len(types) == 1 else {}
    for entry in root.all("entry"):
        if next(entry.all("MeterReading"), None) is not None:
            kinds = [types[link] for link in _links(entry, "related") if link in types]
            found |= dict.fromkeys(_links(entry, "self"), kinds[0]) if kinds else {}
    return found


def _intervals(entry: _Node, kinds: dict[str, _Kind]) -> Iterator[Interval]:
    blocks = list(entry.all("IntervalBlock"))
    if not blocks:
        return
    above = [link.rpartition("/IntervalBlock")[0] for link in _links(entry, "up")]
    kind = next((kinds[link] for link in above if link in kinds), kinds.get(""))
    if kind is None:
        raise BadIntervals("an IntervalBlock belongs to no ReadingType")
    if kind.uom != WATT_HOURS:
        return
    for block in blocks:
        for said in block.all("IntervalReading"):
            period = next(said.all("timePeriod"), None)
            if period is None:
                raise BadIntervals("an IntervalReading has no timePeriod")
            energy_wh = said.number("value") * kind.factor
            yield Interval(period.number("start"), period.number("duration"), energy_wh, kind.is_export)


def _links(entry: _Node, relation: str) -> list[str]:
    return [
        child.attributes.get("href", "").rstrip("/")
        for child in entry.children
        if child.tag == "link" and child.attributes.get("rel") == relation
    ]


def _tree(content: bytes) -> _Node:
    root = _Node("", {})
    path = [root]
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_: object) -> None:
        raise BadIntervals("a document type declaration is not allowed")

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(path) > MOST_DEPTH:
            raise BadIntervals(f"nested more than {MOST_DEPTH} deep")
        node = _Node(name.rpartition(" ")[2], attributes)
        path[-1].children.append(node)
        path.append(node)

    def say(text: str) -> None:
        path[-1].text += text

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = say
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BadIntervals(f"not XML: {error}") from error
    return root
