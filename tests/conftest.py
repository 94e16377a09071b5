"""For every test: unit and property tests cannot reach the network."""

import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

_HERE = Path(__file__).parent
_SOCKETLESS = (_HERE / "unit", _HERE / "property")


@pytest.fixture(autouse=True)
def no_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses every network socket where the test lies under tests/unit or tests/property."""
    if not any(request.path.is_relative_to(folder) for folder in _SOCKETLESS):
        return

    def guard(name: str) -> Any:
        original = getattr(socket.socket, name)

        def call(self: socket.socket, *arguments: Any) -> Any:
            if self.family != socket.AF_UNIX:
                refuse(name, arguments)
            return original(self, *arguments)

        return call

    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, guard(name))


def refuse(name: str, arguments: tuple[Any, ...]) -> NoReturn:
    raise AssertionError(f"a unit test must not use the network: {name}{arguments}")
