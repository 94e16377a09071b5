"""Clients from the API's own description: ``python -m scripts.generate_clients [--out DIR] [--check]``.

Writes ``openapi.json``, a Python package (openapi-python-client) and TypeScript types (openapi-typescript). With
``--check`` both are type-checked, with a program each that trades with them (docs/examples).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from api.app import create_app
from api.config import ApiConfig

ROOT: Final = Path(__file__).parents[1]
EXAMPLES: Final = ROOT / "docs" / "examples"
PACKAGE: Final = "gridtrace_client"
NOWHERE: Final = "0x" + "11" * 20
SETTINGS: Final = {
    "DATABASE_URL": "postgresql://nowhere/nothing",
    "REDIS_URL": "redis://127.0.0.1:1",
    "RPC_URL": "http://127.0.0.1:1",
    "GRIDTRACE_CHAIN_ID": "1",
    "GRIDTRACE_DEPLOYMENT": "/nowhere",
    "GRIDTRACE_OPERATOR": NOWHERE,
    "GRIDTRACE_GRID_ACCOUNT": NOWHERE,
    "GRIDTRACE_OPERATOR_KEY_FILE": "/nowhere",
    "GRIDTRACE_GATEWAY_KEY_FILE": "/nowhere",
    "GRIDTRACE_READINGS_SALT_FILE": "/nowhere",
}
"""A description needs no services."""


def document() -> dict[str, Any]:
    """The OpenAPI document of the installed API."""
    return create_app(ApiConfig.from_environment(SETTINGS)).openapi()


def generate(folder: Path) -> None:
    """Both clients, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    described = folder / "openapi.json"
    described.write_text(json.dumps(document(), indent=1))
    programs = Path(sys.executable).parent
    package = folder / PACKAGE
    shutil.rmtree(package, ignore_errors=True)
    path = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    _run(
        programs / "openapi-python-client", "generate", "--path", described, "--output-path", package,
        "--meta", "none", "--fail-on-warning", env=os.environ | path,
    )  # fmt: skip
    _run(ROOT / "node_modules/.bin/openapi-typescript", described, "-o", folder / "gridtrace.d.ts")


def check_typescript(folder: Path) -> None:
    """Type-checks the generated types with the program that uses them."""
    shutil.copy(EXAMPLES / "follow_order.ts", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    _run(
        ROOT / "node_modules/.bin/tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext",
        "--moduleResolution", "nodenext", "--types", "", "--skipLibCheck", "follow_order.ts", cwd=folder,
    )  # fmt: skip


def check_python(folder: Path, *, types: bool = True) -> None:
    """Imports the program that uses the generated package; type-checks it against the package's types."""
    shutil.copy(EXAMPLES / "follow_order.py", folder)
    _run(sys.executable, "-c", "import follow_order", cwd=folder)
    if types:
        # What is generated is not strictly typed inside, and not ours to mend.
        options = ("--python-version", "3.11", "--follow-imports", "silent")
        _run(sys.executable, "-m", "mypy", *options, "follow_order.py", cwd=folder)


def _run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout[-8_000:]}{done.stderr[-4_000:]}")


def main() -> None:
    """Generates, and checks where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / ".gridtrace" / "clients")
    parser.add_argument("--check", action="store_true", help="in a folder that is thrown away")
    arguments = parser.parse_args()
    if arguments.check:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder))
            check_typescript(Path(folder))
            check_python(Path(folder))
        print("both clients are generated and type-checked")
        return
    generate(arguments.out)
    print(f"clients in {arguments.out}: {PACKAGE}/ (Python), gridtrace.d.ts (TypeScript), openapi.json")


if __name__ == "__main__":
    main()
