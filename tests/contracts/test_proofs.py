"""README.md beside this file says what is proved where: the tests it names exist, and no invariant is without one."""

import re
from pathlib import Path

HERE = Path(__file__).parent
README = (HERE / "README.md").read_text()
INVARIANTS = range(1, 19)
_NAME = re.compile(r"`((?:test|testFuzz|invariant|check)_\w+)`")
_DEFINED = re.compile(r"\b(?:function|def) ((?:test|testFuzz|invariant|check)_\w+)\(")


def defined() -> set[str]:
    """Names of all tests of the contracts."""
    sources = [*HERE.rglob("*.sol"), *HERE.glob("test_*.py")]
    return {name for source in sources for name in _DEFINED.findall(source.read_text())}


def test_readme__every_test_it_names__exists() -> None:
    assert set(_NAME.findall(README)) - defined() == set()


def test_readme__every_invariant__has_a_line_with_tests() -> None:
    rows = dict(re.findall(r"^\| (\d+) \|(.*)$", README, re.MULTILINE))
    assert set(map(int, rows)) == set(INVARIANTS)
    assert [number for number, row in rows.items() if not _NAME.search(row)] == []


def test_invariants__each_number__is_in_a_tests_name() -> None:
    named = {int(number) for name in defined() for number in re.findall(r"_(\d\d)(?=_)", name)}
    assert set(INVARIANTS) - named == set()
