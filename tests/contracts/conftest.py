"""The contracts' own tests: how many random cases they play."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deep", action="store_true", help="twenty times as many random cases")


@pytest.fixture(scope="session")
def times(request: pytest.FixtureRequest) -> int:
    """By how much a test multiplies its random cases."""
    return 20 if request.config.getoption("--deep") else 1
