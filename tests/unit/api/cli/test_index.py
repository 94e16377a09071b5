"""``gridtrace index`` says what it would do, and refuses with every fault at once."""

import json
from pathlib import Path

import httpx
import pytest

from api.cli import index, main
from indexer.errors import ConfigError
from indexer.manifest import Manifest, Options
from indexer.manifest_file import ChainManifest

ADDRESS = "0x" + "11" * 20
MANIFEST = f"""[[chains]]
id = {{chain}}
rpc_urls = ["http://127.0.0.1:1"]
[[chains.contracts]]
name = "Token"
address = "{ADDRESS}"
abi = "erc20"
"""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RPC_URL", "DATABASE_URL", "DATABASE_URL_FILE", "GRIDTRACE_CHAIN_ID", "GRIDTRACE_MANIFEST"):
        monkeypatch.delenv(name, raising=False)


def test_index__check_of_one_contract__prints_its_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    event = {"type": "event", "name": "Moved", "inputs": [{"type": "uint256[]", "name": "ids", "indexed": False}]}
    (tmp_path / "thing.json").write_text(json.dumps([event]))
    arguments = ["index", "--abi", str(tmp_path / "thing.json"), "--address", ADDRESS, "--start-block", "7", "--check"]
    assert main.execute(arguments) == 0
    shown = capsys.readouterr().out
    assert 'create table if not exists blockchain."fact_thing_moved"' in shown
    assert '"ids" numeric(78, 0)[] not null' in shown
    assert f"thing {ADDRESS} from block 7: no state" in shown


def test_index__check_of_a_manifest__tells_what_is_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    text = MANIFEST.format(chain=5).replace("id = 5", 'id = 5\ntraces = true\nreceipts = "all"')
    path.write_text(text + '[[chains.reads]]\ncontract = "Token"\nfunction = "totalSupply"\nevery = 7\n')
    assert main.execute(["index", "--manifest", str(path), "--check"]) == 0
    shown = capsys.readouterr().out
    assert "-- traces: of the contracts\n" in shown
    assert "-- receipts: all of the chain\n" in shown
    assert "-- Token.totalSupply() every 7 blocks\n" in shown
    assert 'create table if not exists blockchain."read_token_total_supply"' in shown
    assert '"value" numeric(78, 0),' in shown
    assert "from block 0: erc20" in shown


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        (["--event", "Transfer"], ["--abi is missing", "--address is missing"]),
        (["--abi", "erc20", "--address", "0x12"], ["0x and 40 hex digits"]),
        (["--abi", "erc20", "--address", ADDRESS, "--event", "Transfr"], ["no event Transfr; it has Transfer,"]),
        (["--abi", "none.json", "--address", ADDRESS], ["--abi none.json: No such file"]),
        (["--abi", "erc20", "--address", ADDRESS, "--name", "1"], ["--name '1' must be letters"]),
        (["--abi", "erc20", "--address", ADDRESS], ["RPC_URL is not set"]),
        (["--manifest", "my.toml", "--abi", "erc20"], ["--abi: say it in my.toml"]),
    ],
)  # fmt: skip
def test_index__faults__are_told_together(
    arguments: list[str], faults: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.execute(["index", *arguments]) == 2
    told = capsys.readouterr().err
    for fault in faults:
        assert fault in told


def test_index__manifest_without_endpoints__names_each_chain(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "my.toml"
    text = "".join(MANIFEST.format(chain=chain) for chain in (5, 6)).replace('rpc_urls = ["http://127.0.0.1:1"]', "")
    path.write_text(text)
    assert main.execute(["index", "--manifest", str(path)]) == 2
    told = capsys.readouterr().err
    assert "chain 5: neither rpc_urls in the manifest nor RPC_URL_5 is set" in told
    assert "chain 6: neither" in told
    assert told.count("neither DATABASE_URL") == 1


def chain(number: int, *urls: str) -> ChainManifest:
    return ChainManifest(Manifest(number, 0, (), Options()), urls)


def test_with_endpoints__variables__come_before_the_manifest() -> None:
    variables = {"DATABASE_URL": "postgresql://x", "RPC_URL": "http://all", "RPC_URL_6": "http://six"}
    found = index.with_endpoints([chain(5, "http://a", "ws://b"), chain(6, "http://c")], variables, Path("m"))
    assert [one.config.rpc_urls for one in found] == [("http://a", "ws://b"), ("http://six",)]
    assert [one.config.chain_id for one in found] == [5, 6]
    (alone,) = index.with_endpoints([chain(5, "http://a")], variables, Path("m"))
    assert alone.config.rpc_urls == ("http://all",)


def test_asked__first_endpoint_that_answers__tells_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    def post(url: str, **_: object) -> httpx.Response:
        if url == "http://dead":
            raise httpx.ConnectError("no")
        return httpx.Response(200, json={"result": "0x2a"} if url == "http://good" else [])

    monkeypatch.setattr(httpx, "post", post)
    assert index.asked({"RPC_URL": "http://dead,http://odd,http://good"}) == 42
    with pytest.raises(ConfigError) as caught:
        index.asked({"RPC_URL": "http://dead,http://odd"})
    assert len(caught.value.faults) == 2
