"""The market's days, as its clocks on the wall count them: 92, 96 or 100 slots of a quarter of an hour.

A slot belongs to the day in which it starts. All times are Unix seconds.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from node.config import MarketRules

_ONE: Final = timedelta(days=1)


def date_of(rules: MarketRules, at_s: int) -> date:
    """The date on the market's calendar."""
    return datetime.fromtimestamp(at_s, ZoneInfo(rules.time_zone)).date()


def begins_at(rules: MarketRules, day: date) -> int:
    """When a day begins: at midnight, or at the moment that takes the place of a midnight which the clocks skip."""
    return _at(rules, day, 0)


def day_of(rules: MarketRules, at_s: int) -> int:
    """When the day that a time belongs to begins."""
    return begins_at(rules, date_of(rules, at_s))


def day_after(rules: MarketRules, at_s: int) -> int:
    """When the day after that of a time begins."""
    return begins_at(rules, date_of(rules, at_s) + _ONE)


def slots_of(rules: MarketRules, day_s: int) -> range:
    """The delivery starts of a day that begins at a time; slots are multiples of their length, UTC."""
    first = -(-day_s // rules.slot_s) * rules.slot_s
    return range(first, day_after(rules, day_s), rules.slot_s)


def session_closes_at(rules: MarketRules, delivery_start: int) -> int | None:
    """From when on orders for a slot come too late for its day-ahead auction; None where there is none."""
    return _gate(rules, date_of(rules, delivery_start) - _ONE)


def session_opens_at(rules: MarketRules, delivery_start: int) -> int | None:
    """When the day-ahead auction of a slot's day begins to take orders: as that of the day before closes."""
    return _gate(rules, date_of(rules, delivery_start) - 2 * _ONE)


def last_session(rules: MarketRules, now_s: float) -> int | None:
    """The day, by when it begins, whose day-ahead gate was the last to close; None where there are no sessions."""
    if rules.day_ahead_gate_s is None:
        return None
    today = date_of(rules, int(now_s))
    closes_at = _gate(rules, today)
    assert closes_at is not None
    return begins_at(rules, today + _ONE if now_s >= closes_at else today)


def _gate(rules: MarketRules, day: date) -> int | None:
    return None if rules.day_ahead_gate_s is None else _at(rules, day, rules.day_ahead_gate_s)


def _at(rules: MarketRules, day: date, since_midnight_s: int) -> int:
    """By the clock on the wall; of two such moments, as clocks go back, the first."""
    wall = time(since_midnight_s // 3_600, since_midnight_s // 60 % 60, tzinfo=ZoneInfo(rules.time_zone))
    return int(datetime.combine(day, wall).astimezone(UTC).timestamp())
