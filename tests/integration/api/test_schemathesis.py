"""What the OpenAPI document promises holds, whoever asks: no fault of ours, nothing undocumented, as each role.

One example of every operation, as an administrator; ``GRIDTRACE_DEEP=1`` takes many, and every phase.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import uvicorn

from api.app import create_app
from api.client import Client
from api.devnet.process import free_port
from contracts.abi import ARTIFACTS, artifact
from contracts.addresses import Deployment
from indexer import facts
from indexer.db import connect
from indexer.manifest import Contract, Manifest
from tests.integration.api.conftest import ALICE_KEY, FreshChain, api_config
from tests.integration.conftest import execute, run

pytestmark = pytest.mark.integration

DEEP = os.environ.get("GRIDTRACE_DEEP") == "1"
EXAMPLES = int(os.environ.get("GRIDTRACE_EXAMPLES", "30")) if DEEP else 1
ROLES = ("anonymous", "trader", "auditor", "admin") if DEEP else ("admin",)
LEFT_OUT = r"^/v1/(stream|auth/session|auth/sessions/\{session_id\})$"
"""What never ends, and what would end the session that asks."""
UNPROMISED = "negative_data_rejection,unsupported_method"
"""Numbers may also come as text and the like; and ``Allow`` names the methods of one of a path's routes."""
SETTINGS = """
[checks]
# What a schema cannot say (a slot's gate, a signature over the fields, whose account it is) is refused all the same.
positive_data_acceptance.expected-statuses = ["2xx", "4xx"]
"""


@dataclass(frozen=True)
class Running:
    url: str
    database_url: str


@pytest.fixture
def serving(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Running]:
    """The API on a port of its own, as it is in service."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    config = api_config(
        tmp_path, database_url, redis_url, GRIDTRACE_PUBLIC_URL=url, GRIDTRACE_RATE_LIMIT="0", GRIDTRACE_PORT=str(port)
    )
    contracts = {name: bytes([number]) * 20 for number, name in enumerate(ARTIFACTS, 1)}
    Deployment(31_337, 1, contracts).dump(tmp_path / "deployment.json")
    app = create_app(config)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.05)
    assert server.started
    app.state.services = replace(app.state.services, rpc=FreshChain())
    yield Running(url, database_url)
    server.should_exit = True
    thread.join()


async def known_events(database_url: str) -> None:
    """The tables of all contracts' events, as once an indexer has started."""
    contracts = tuple(Contract(name, bytes([n]) * 20, artifact(name).abi) for n, name in enumerate(ARTIFACTS))
    db = await connect(database_url)
    try:
        await facts.ensure(db, Manifest(chain_id=31_337, start_block=0, contracts=contracts))
    finally:
        await db.close()


async def token_of(serving: Running, role: str) -> str:
    async with Client(serving.url, ALICE_KEY) as client:
        token = (await client.sign_in()).session_token
    await execute(serving.database_url, f"update identity.users set role = '{role}'")
    return token


@pytest.mark.timeout(7_200 if DEEP else 300)
@pytest.mark.parametrize("role", ROLES)
def test_api__asked_by_anyone__answers_as_described(serving: Running, role: str, tmp_path: Path) -> None:
    block = (1).to_bytes(32, "big").hex()
    run(
        execute(
            serving.database_url,
            'insert into blockchain.blocks (chain_id, number, hash, parent_hash, "timestamp") '
            f"values (31337, 1, '\\x{block}', '\\x{block}', now())",
            "insert into blockchain.cursors (chain_id, block_number, block_hash, finalized_number) "
            f"values (31337, 1, '\\x{block}', 1)",
        )
    )
    run(known_events(serving.database_url))
    described = tmp_path / "openapi.json"
    described.write_bytes(httpx.get(f"{serving.url}/v1/openapi.json", timeout=120).content)
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(SETTINGS)
    command = [
        str(Path(sys.executable).parent / "schemathesis"), f"--config-file={configuration}",
        "run", str(described), "--url", serving.url, "--checks=all", f"--exclude-checks={UNPROMISED}",
        f"--max-examples={EXAMPLES}", "--workers=2", "--exclude-path-regex", LEFT_OUT, "--seed=1",
        "--phases=examples,coverage,fuzzing,stateful" if DEEP else "--phases=fuzzing",
        "--request-timeout=60", "--no-color", "--suppress-health-check=all", "--generation-database=none",
    ]  # fmt: skip
    if role != "anonymous":
        command += ["--header", f"Authorization: Bearer {run(token_of(serving, role))}"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stdout[-200_000:] + outcome.stderr[-2_000:]
    if DEEP:
        print(outcome.stdout[-1_500:])
