"""Compiles contracts/src to contracts/artifacts, one JSON file per contract; --check only compares.

Run from the repository as ``python -m scripts.compile_contracts``. How: node/deploy/compiler.py.
"""

import argparse
import sys

from node.deploy.compiler import (
    ARTIFACTS,
    ROOT,
    SOLC,
    SOURCES,
    CompilationFailed,
    closure,
    compile_all,
    definitions,
    differences,
    make_artifact,
    render,
    resolve,
    settings,
    source_hash,
)

__all__ = [
    "ARTIFACTS",
    "ROOT",
    "SOLC",
    "SOURCES",
    "closure",
    "compile_all",
    "definitions",
    "differences",
    "make_artifact",
    "render",
    "resolve",
    "settings",
    "source_hash",
]


def main() -> int:
    """Writes or checks the artifacts; 1 where a check finds differences or the sources do not compile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the files are out of date")
    arguments = parser.parse_args()
    try:
        artifacts = compile_all()
    except CompilationFailed as error:
        print(error)
        return 1
    changed = differences(artifacts)
    if arguments.check:
        for name in changed:
            print(f"out of date: contracts/artifacts/{name}: run python -m scripts.compile_contracts")
        return 1 if changed else 0
    ARTIFACTS.mkdir(exist_ok=True)
    for name in changed:
        (ARTIFACTS / name).unlink(missing_ok=True)
    for name, fields in artifacts.items():
        (ARTIFACTS / f"{name}.json").write_text(render(fields))
        print(f"{name}: {(len(fields['deployed_bytecode']) - 2) // 2} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
