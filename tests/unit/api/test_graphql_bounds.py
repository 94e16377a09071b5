"""What a question may come to before it is looked at."""

import time

import pytest
from graphql import GraphQLError, get_introspection_query, parse

from api.graphql import bounds, scalars

SPREADS = " ".join(f"fragment f{n} on Q {{ ...f{n + 1} ...f{n + 1} ...f{n + 1} ...f{n + 1} }}" for n in range(12))


@pytest.mark.parametrize(
    "question",
    [
        "{ ...f0 } " + SPREADS + " fragment f12 on Q { a }",
        "{ ...a } fragment a on Q { x { ...b } } fragment b on Q { y { ...a } }",
        "{ ...a } fragment a on Q { ...a }",
        "{ ...a " + "...a " * 50 + "} fragment a on Q { " + "x " * 20 + "}",
        "{ " + "x " * 401 + "}",
        "{ a " * 18 + "}" * 18,
        '{ __schema { types { name } } __type(name: "Q") { name } }',
        "query one { __schema { types { name } } } query two { __schema { types { name } } }",
        '{ ...a ...a } fragment a on Q { __type(name: "Q") { name } }',
        "{ __schema { a: types { name } } }",
        "{ __schema { types { fields { type { fields { name } } } } } }",
        "{ __schema { types { ...a } } } fragment a on __Type { fields { type { ... { inputFields { name } } } } }",
        "{ __schema { types { fields { args { type { inputFields { name } } } } } } }",
        "{ " + " ".join(f"a{n}: x" for n in range(21)) + " }",
        "mutation { x }",
        "subscription { x }",
    ],
)
def test_question__out_of_bounds__is_refused_at_once(question: str) -> None:
    document = parse(question)
    begun_s = time.process_time()
    with pytest.raises(GraphQLError):
        bounds.check(document)
    assert time.process_time() - begun_s < 0.5


@pytest.mark.parametrize(
    "question",
    [
        get_introspection_query(),
        "{ " + " ".join(f"a{n}: x {{ y z }}" for n in range(20)) + " }",
        "{ ...a b { ...a } } fragment a on Q { x ... on Q { y } }",
        "{ ...unknown }",
    ],
)
def test_question__within_bounds__passes(question: str) -> None:
    bounds.check(parse(question))


@pytest.mark.parametrize("text", ["1e9", "1_0", " 1", "+1", "٣", "", "-", "--1", "9" * 79, True, None, 1.5])
def test_big__not_a_whole_number__is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        scalars.big(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("-7", -7), ("9" * 78, 10**78 - 1), (5, 5)])
def test_big__whole_number__is_read(text: object, number: int) -> None:
    assert scalars.big(text) == number
