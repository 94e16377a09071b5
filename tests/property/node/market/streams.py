"""Random streams of events for the engines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from hypothesis import strategies as st

from node.market import rows
from node.market.engine import UNLIMITED_WH, Network, Reason
from node.market.instructions import SelfTrade, TimeInForce
from node.market.rows import CANCEL, EXPIRE, Rows
from tests.property.node.market.live_order import Fill, LiveOrder, Removal, StateRow

SINGLE = Network.single(20)
COUPLED = Network(
    fee_per_kwh=((2, 5, None), (5, 1, 3), (4, 3, 0)),
    capacity_wh=((UNLIMITED_WH, 400, UNLIMITED_WH), (300, UNLIMITED_WH, 250), (100, 200, UNLIMITED_WH)),
)


class Engine(Protocol):
    fills: list[Fill]
    removals: list[Removal]

    @property
    def room_wh(self) -> list[list[int]]: ...

    def accept(self, order: LiveOrder) -> None: ...
    def cancel(self, sequence: int, reason: Reason = ...) -> bool: ...
    def state(self) -> list[StateRow]: ...


@dataclass(frozen=True)
class Come:
    sequence: int
    fields: dict[str, Any]

    def order(self) -> LiveOrder:
        fields = dict(self.fields)
        names = ("trader", "side", "limit_per_kwh", "energy_wh", "zone")
        return LiveOrder(self.sequence, *(fields.pop(name) for name in names)).asking(**fields)


@dataclass(frozen=True)
class Go:
    sequence: int
    target: int
    reason: Reason


Step = Come | Go


def apply(engine: Engine, step: Step) -> None:
    if isinstance(step, Come):
        engine.accept(step.order())
    else:
        engine.cancel(step.target, step.reason)


def run(make: Callable[[], Engine], steps: list[Step]) -> Engine:
    engine = make()
    for step in steps:
        apply(engine, step)
    return engine


def stream(random: Random, count: int, network: Network, *, levels: int = 12, traders: int = 5) -> Iterator[Step]:
    """Events of every kind, around one price, so that most of them meet something."""
    zones = len(network.fee_per_kwh)
    accepted: list[Come] = []
    for sequence in range(1, count + 1):
        if accepted and random.random() < 0.15:
            reason = Reason.EXPIRED if random.random() < 0.2 else Reason.CANCELLED
            yield Go(sequence, random.choice(accepted[-40:]).sequence, reason)
            continue
        come = Come(sequence, _fields(random, zones, levels, traders, accepted))
        accepted.append(come)
        yield come


def _fields(random: Random, zones: int, levels: int, traders: int, accepted: list[Come]) -> dict[str, Any]:
    energy_wh = random.randint(1, 60)
    fields: dict[str, Any] = {
        "trader": random.randrange(traders),
        "side": random.randrange(2),
        "limit_per_kwh": random.randint(-2, levels - 2),
        "energy_wh": energy_wh,
        "zone": random.randrange(zones),
        "self_trade": random.choice(list(SelfTrade)),
    }
    kind = random.random()
    if kind < 0.2:
        fields["min_fill_wh"] = random.randint(1, energy_wh)
    elif kind < 0.4:
        fields["display_wh"] = random.randint(1, energy_wh)
    if random.random() < 0.2:
        fields["time_in_force"] = random.choice(list(TimeInForce))
    elif random.random() < 0.1:
        fields["post_only"] = True
    if accepted and random.random() < 0.15:
        old = random.choice(accepted[-30:])
        fields["replaces"] = old.sequence
        if random.random() < 0.9:
            for name in ("trader", "side", "zone"):
                fields[name] = old.fields[name]
        if random.random() < 0.5:  # smaller, and otherwise the same
            for name in ("limit_per_kwh", "min_fill_wh", "display_wh"):
                fields[name] = old.fields.get(name, 0)
            fields["energy_wh"] = max(fields["min_fill_wh"], random.randint(1, old.fields["energy_wh"]))
    return fields


def rows_of(steps: list[Step]) -> Rows:
    """The same events for the compiled engine."""
    events = rows.events(len(steps))
    numbers: dict[int, int] = {}
    for row, step in enumerate(steps):
        events["sequence"][row] = step.sequence
        numbers[step.sequence] = row
        if isinstance(step, Go):
            events["kind"][row] = EXPIRE if step.reason == Reason.EXPIRED else CANCEL
            events["target"][row] = numbers[step.target]
            continue
        for name, value in step.fields.items():
            if name != "replaces":
                events[name][row] = value
        if step.fields.get("replaces"):
            events["target"][row] = numbers[step.fields["replaces"]]
    return events


_RAW = st.tuples(
    st.integers(0, 19),  # what kind of event
    st.integers(0, 3),  # trader
    st.integers(0, 1),  # side
    st.integers(-2, 9),  # how good the limit is
    st.integers(1, 60),  # energy
    st.integers(1, 60),  # minimum, display or smaller energy
    st.integers(0, 2),  # zone
    st.sampled_from(SelfTrade),
    st.integers(1, 20),  # which of the last orders
)


@st.composite
def streams(draw: st.DrawFn, network: Network | None = None) -> tuple[Network, list[Step]]:
    """A network and a stream that Hypothesis can make smaller."""
    network = network or draw(st.sampled_from((SINGLE, COUPLED)))
    steps: list[Step] = []
    accepted: list[Come] = []
    for sequence, raw in enumerate(draw(st.lists(_RAW, max_size=30)), 1):
        step = _step(sequence, raw, accepted, len(network.fee_per_kwh))
        steps.append(step)
        if isinstance(step, Come):
            accepted.append(step)
    return network, steps


def _step(sequence: int, raw: tuple[Any, ...], accepted: list[Come], zones: int) -> Step:
    kind, trader, side, price, energy_wh, other_wh, zone, self_trade, back = raw
    old = accepted[-min(back, len(accepted))] if accepted else None
    if kind < 3 and old is not None:
        return Go(sequence, old.sequence, Reason.CANCELLED if kind else Reason.EXPIRED)
    fields = {
        "trader": trader,
        "side": side,
        "limit_per_kwh": price + (0 if side else 2 + 18 * (zones == 1)),
        "energy_wh": energy_wh,
        "zone": zone % zones,
        "self_trade": self_trade,
    }
    part_wh = min(energy_wh, other_wh)
    extra: dict[int, dict[str, Any]] = {
        3: {"min_fill_wh": part_wh},
        4: {"min_fill_wh": energy_wh},
        5: {"display_wh": part_wh},
        6: {"display_wh": max(1, energy_wh // 7)},
        7: {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL},
        8: {"time_in_force": TimeInForce.FILL_OR_KILL},
        9: {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL, "min_fill_wh": part_wh},
        10: {"post_only": True},
    }
    if kind in (11, 12, 13) and old is not None:
        same = {name: old.fields[name] for name in ("trader", "side", "zone")}
        if kind == 11:
            same = {**old.fields, "energy_wh": max(old.fields.get("min_fill_wh", 0), min(other_wh, energy_wh))}
        return Come(sequence, {**fields, **same, "replaces": old.sequence})
    return Come(sequence, {**fields, **extra.get(kind, {})})
