"""Clients are made from the API's own description, and the programs in the documentation fit them."""

from pathlib import Path

import pytest

from scripts import generate_clients

pytestmark = pytest.mark.integration


def test_clients__generated_from_the_description__fit_the_documented_programs(tmp_path: Path) -> None:
    generate_clients.generate(tmp_path)
    generate_clients.check_typescript(tmp_path)
    # `./scripts/clients --check` also checks the types of the Python package, which takes longer.
    generate_clients.check_python(tmp_path, types=False)
