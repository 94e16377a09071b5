"""What every reader's browser has to fetch."""

import gzip
from pathlib import Path

STATIC = Path(__file__).parents[4] / "api" / "web" / "static"
MOST_SCRIPT_BYTES = 60 * 1024


def test_script__compressed__is_within_its_budget() -> None:
    assert len(gzip.compress((STATIC / "main.js").read_bytes())) <= MOST_SCRIPT_BYTES


def test_style__fetches_nothing_from_elsewhere() -> None:
    style = (STATIC / "main.css").read_text()
    assert "url(http" not in style
    assert "@import" not in style
