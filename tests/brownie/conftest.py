"""These tests run under Brownie alone, in its own environment: scripts/brownie."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("brownie") else ["test_*.py"]
