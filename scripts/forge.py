"""forge itself: npm's wrapper in node_modules/.bin gives 0 even where forge failed."""

import platform
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent


def binary() -> Path:
    """The program for this machine, as npm installed it."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return ROOT / "node_modules" / "@foundry-rs" / f"forge-{platform.system().lower()}-{machine}" / "bin" / "forge"
