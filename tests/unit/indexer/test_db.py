"""Named statements."""

import pytest

from indexer.db import parse


def test_parse__two_statements__are_found_by_name() -> None:
    text = "-- first -- what it does\nselect 1;\n\n-- second -- another\nselect 2 -- inline\nfrom t;\n"

    assert parse(text) == {"first": "select 1;", "second": "select 2 -- inline\nfrom t;"}


def test_parse__name_twice__is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse("-- a -- x\nselect 1;\n-- a -- y\nselect 2;\n")
