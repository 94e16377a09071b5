"""What a manifest adds starts by itself; what it drops is remembered; nothing is indexed twice."""

import pytest

from indexer.errors import ConfigError
from indexer.latecomers import fed_by, furthest_behind
from indexer.sources import Source, plan
from indexer.state import Projection

A, B = ("a", b"1"), ("b", b"1")


def source(key: tuple[str, bytes], start: int = 5, following: int | None = None) -> Source:
    return Source(*key, start, following)


def test_plan__new_source__starts_where_it_wants_or_follows_from_later_on() -> None:
    new, gone = plan({}, {A: 5, B: 11}, 10)
    assert new == [source(A, 5, 5), source(B, 11, None)]
    assert gone == []


def test_plan__dropped_source__stops_after_the_cursor() -> None:
    new, gone = plan({A: source(A), B: source(B, 5, 8)}, {}, 10)
    assert new == []
    assert gone == [source(A, 5, 11)], "what was behind stays where it was"


def test_plan__source_taken_up_again__is_neither_new_nor_gone() -> None:
    assert plan({A: source(A, 5, 8)}, {A: 6}, 10) == ([], [])


def test_plan__earlier_start__is_refused() -> None:
    with pytest.raises(ConfigError, match="a is indexed from block 5 on, not from 4"):
        plan({A: source(A)}, {A: 4}, 10)


def test_furthest_behind__several__go_together_up_to_the_next() -> None:
    late = [source(A, 5, 7), source(B, 5, 7), source(("c", b""), 5, 20)]
    assert furthest_behind(late, 100) == (late[:2], 7, 19)
    assert furthest_behind(late[2:], 100) == (late[2:], 20, 100)
    assert furthest_behind(late[2:], 19) == (late[2:], 20, 19), "nothing is left but to join"


def test_fed_by__projection_of_a_projection__is_fed_too() -> None:
    def reading(name: str, table: str) -> Projection:
        return Projection(name, f"select from blockchain.{table}", None, None, None)

    chain = [reading("first", "fact_a"), reading("other", "fact_b"), reading("second", "first")]
    assert [projection.name for projection in fed_by(chain, ["fact_a"])] == ["first", "second"]
