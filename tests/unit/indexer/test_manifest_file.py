"""A manifest says what is indexed; whatever is wrong with it is told at once, each fault with its line."""

import json
from pathlib import Path

import pytest

from indexer import manifest_file, templates
from indexer.errors import ConfigError
from indexer.manifest import Factory, Options, Read
from indexer.scope import Scope

TOKEN = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
OTHER = "0x" + "22" * 20
WHOLE = f"""
handlers = "my.handlers:all"

[[chains]]
id = 1
rpc_urls = ["https://a.example", "wss://b.example"]
start_block = 100
receipts = true
native_transfers = "all"
transactions = ["{OTHER}"]
traces = false
block_interval = 50

[[chains.contracts]]
name = "USDC"
address = "{TOKEN}"
abi = "erc20"
events = ["Transfer"]
start_block = 60
executions = true

[[chains.contracts]]
name = "Maker"
addresses = ["{OTHER}", "0x{"33" * 20}"]
abi = "maker.json"

[[chains.contracts]]
name = "Made"
abi = "erc721"
factory = {{ contract = "Maker", event = "Made", argument = "child" }}

[[chains.reads]]
contract = "USDC"
function = "totalSupply"
every = 100

[[chains.reads]]
contract = "USDC"
function = "balanceOf"
args = ["$to"]
on = "USDC.Transfer"
name = "receiver"

[[chains]]
id = 10
[[chains.contracts]]
name = "USDC"
address = "{OTHER}"
abi = "erc20"
"""
MAKER = [{"type": "event", "name": "Made", "inputs": [{"type": "address", "name": "child", "indexed": True}]}]


def entry(name: str, *types: str, anonymous: bool = False, indexed: bool = False) -> dict[str, object]:
    inputs = [{"type": kind, "name": f"a{at}", "indexed": indexed} for at, kind in enumerate(types)]
    return {"type": "event", "name": name, "inputs": inputs, "anonymous": anonymous}


def written(folder: Path, text: str, **abis: object) -> Path:
    for name, abi in abis.items():
        (folder / f"{name}.json").write_text(json.dumps(abi))
    path = folder / "my.toml"
    path.write_text(text)
    return path


def one(contract: str) -> str:
    """A manifest of one contract's lines; the table's header is line 3."""
    return f"[[chains]]\nid = 1\n[[chains.contracts]]\n{contract}\n"


def faults(folder: Path, text: str, **abis: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        manifest_file.load(written(folder, text, **abis))
    return [fault.removeprefix(f"{folder}/") for fault in caught.value.faults]


def test_load__whole_manifest__is_read(tmp_path: Path) -> None:
    first, second = manifest_file.load(written(tmp_path, WHOLE, maker=MAKER))
    manifest = first.manifest
    assert (manifest.chain_id, manifest.start_block, manifest.handlers) == (1, 60, "my.handlers:all")
    assert first.rpc_urls == ("https://a.example", "wss://b.example")
    assert manifest.options == Options(
        receipts=Scope(contracts=True),
        native_transfers=Scope(everything=True),
        transactions=Scope(addresses=frozenset({bytes.fromhex(OTHER[2:])})),
        block_interval=50,
    )
    assert manifest.reads == (
        Read("USDC", "totalSupply", every=100),
        Read("USDC", "balanceOf", ("$to",), on="USDC.Transfer", name="receiver"),
    )
    assert [read.table for read in manifest.reads] == ["read_usdc_total_supply", "read_receiver"]
    assert [c.name for c in manifest.contracts] == ["USDC", "Maker", "Maker", "Made"]
    assert [manifest.start_of(c) for c in manifest.contracts] == [60, 100, 100, 100]
    assert manifest.contracts[3].factory == Factory("Maker", "Made", "child")
    assert [e.table for e in manifest.contracts[0].events] == ["fact_usdc_transfer"]
    assert [p.name for p in templates.of(manifest)] == ["erc20_fact_usdc_transfer", "erc721_fact_made_transfer"]
    assert second.manifest.start_block == 0
    assert set(manifest.tables) > {"chain_intervals"}
    assert set(second.manifest.tables) == {"fact_usdc_transfer", "fact_usdc_approval"}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('contract = "X"\nfunction = "f"\nevery = 1', "contract 'X' is not in the manifest"),
        ('contract = "A"\nfunction = "f"\nevery = 1', "A: its ABI has no function f"),
        ('contract = "A"\nfunction = "transfer"\nevery = 1\nargs = ["0x", 1]', "changes state: only views are read"),
        ('contract = "A"\nfunction = "totalSupply"', "needs one of every and on"),
        ('contract = "A"\nfunction = "totalSupply"\nevery = 0', "must be a whole number from 1"),
        ('contract = "A"\nfunction = "totalSupply"\nevery = 1\nargs = [1]', "takes 0 arguments, not 1"),
        ('contract = "A"\nfunction = "balanceOf"\nevery = 1\nargs = ["0x12"]', "balanceOf(address): "),
        ('contract = "A"\nfunction = "balanceOf"\nevery = 1\nargs = ["$to"]', "$to is an event's: say which with on"),
        (
            'contract = "A"\nfunction = "balanceOf"\non = "A.Transfer"\nargs = ["$who"]',
            "$who is no argument of A.Transfer",
        ),
        ('contract = "A"\nfunction = "balanceOf"\non = "A.Transfer"\nargs = ["$value"]', "$value is not address"),
        (
            'contract = "A"\nfunction = "balanceOf"\non = "A.Moved"\nargs = ["$to"]',
            "A.Moved is not an event of the manifest",
        ),
    ],
)
def test_load__read_that_cannot_be__is_told(tmp_path: Path, lines: str, told: str) -> None:
    text = one(f'name = "A"\naddress = "{TOKEN}"\nabi = "erc20"') + f"[[chains.reads]]\n{lines}\n"
    assert any(told in fault and "reads[0]" in fault for fault in faults(tmp_path, text)), faults(tmp_path, text)


def test_load__every_fault__is_told_with_its_line(tmp_path: Path) -> None:
    text = """chain = 1
[[chains]]
id = "one"
rpc_urls = ["ftp://x"]
traces = 1
[[chains.contracts]]
name = "9"
address = "0x12"
abi = "nothing.json"
start_block = -1
projection = ["erc20"]
[[chains.contracts]]
name = "B"
abi = "erc20"
projections = ["erc404"]
[[chains]]
id = 2
"""
    found = faults(tmp_path, text)
    expected = [
        ("my.toml:1: chain: ", "unknown key; known are handlers, chains"),
        ("my.toml:3: chains[0].id: ", "must be a whole number, is 'one'"),
        ("my.toml:4: chains[0].rpc_urls: ", "'ftp://x'"),
        ("my.toml:5: chains[0].traces: ", "or a list of addresses, is 1"),
        ("my.toml:11: chains[0].contracts[0].projection: ", "unknown key"),
        ("my.toml:7: chains[0].contracts[0].name: ", "start with a letter"),
        ("my.toml:9: chains[0].contracts[0].abi: ", "built in are erc20, erc721, erc1155"),
        ("my.toml:8: chains[0].contracts[0].address: ", "40 hex digits"),
        ("my.toml:10: chains[0].contracts[0].start_block: ", "from 0, is -1"),
        ("my.toml:12: chains[0].contracts[1]: ", "one of address, addresses and factory, and has nothing"),
        ("my.toml:15: chains[0].contracts[1].projections: ", "'erc404' is none of"),
        ("my.toml:16: chains[1].contracts: ", "there is none"),
    ]
    assert len(found) == len(expected), found
    for place, text in expected:
        assert any(fault.startswith(place) and text in fault for fault in found), (place, text, found)


@pytest.mark.parametrize(
    ("contract", "abi", "fault"),
    [
        ('events = ["Nothing"]', [entry("E", "uint8")], "its ABI has no event Nothing; it has E"),
        ("", [], "its ABI has no event"),
        ("", [entry("E", "fixed128x18")], "E cannot be stored: fixed128x18"),
        ("", [entry("E", "uint8[0]")], "uint8[0] has no elements"),
        ("", [entry('E"; drop', "uint8")], "is no name"),
        ('projections = ["erc20"]', [entry("E", "uint8")], "erc20 needs its transfer events"),
        ("", [entry("E", "uint8", "uint8"), {**entry("E", "uint8", "uint8"), "inputs": [
            {"type": "uint8", "name": "x", "indexed": False}, {"type": "uint8", "name": "y", "indexed": False}]}],
         "E(uint8,uint8) stands twice with 1 topics"),
        ("", [entry("E", *(["uint8"] * 4), indexed=True)], "has 5 topics; a log has at most 4"),
    ],
)  # fmt: skip
def test_load__abi_that_cannot_be_indexed__is_refused(
    tmp_path: Path, contract: str, abi: list[object], fault: str
) -> None:
    text = one(f'name = "C"\naddress = "{OTHER}"\nabi = "c.json"\n{contract}')
    (found,) = faults(tmp_path, text, c=abi)
    assert found.startswith("my.toml:3: chains[0].contracts[0]: C: ")
    assert fault in found


def test_load__fixed_point_event__can_be_left_out(tmp_path: Path) -> None:
    text = one(f'name = "C"\naddress = "{OTHER}"\nabi = "c.json"\nevents = ["F"]')
    (chain,) = manifest_file.load(written(tmp_path, text, c={"abi": [entry("E", "fixed"), entry("F", "uint8")]}))
    assert list(chain.manifest.tables) == ["fact_c_f"]


@pytest.mark.parametrize(
    ("factory", "abi", "fault"),
    [
        ('{ contract = "None", event = "Made", argument = "child" }', MAKER, "is no other contract"),
        ('{ contract = "Maker", event = "Mode", argument = "child" }', MAKER, "no chosen event 'Mode'"),
        ('{ contract = "Maker", event = "Made", argument = "kid" }', MAKER, "no address 'kid'"),
        ('{ contract = "Maker", event = "Made", argument = "a0" }', [entry("Made", "uint8")], "no address 'a0'"),
        ('{ contract = "Maker", event = "Made", argument = "a0" }', [entry("Made", "address", anonymous=True)],
         "is anonymous"),
    ],
)  # fmt: skip
def test_load__factory_without_its_event__is_refused(tmp_path: Path, factory: str, abi: object, fault: str) -> None:
    text = one(f'name = "Maker"\naddress = "{OTHER}"\nabi = "maker.json"')
    text += f'[[chains.contracts]]\nname = "Made"\nabi = "erc20"\nfactory = {factory}\n'
    (found,) = faults(tmp_path, text, maker=abi)
    assert found.startswith("my.toml:7: chains[0].contracts[1]: Made: ")
    assert fault in found


def test_load__tables_and_addresses_of_others__are_refused(tmp_path: Path) -> None:
    contract = 'name = "{name}"\naddress = "{address}"\nabi = "erc20"\nevents = ["Transfer"]\n'
    text = one(contract.format(name="TokenA", address=OTHER))
    for name, address in (("Token_a", TOKEN), ("B", OTHER)):
        text += "[[chains.contracts]]\n" + contract.format(name=name, address=address)
    first, second = faults(tmp_path, text)
    assert "B: Transfer(address,address,uint256) of 0x2222" in first
    assert "Token_a: fact_token_a_transfer is the table of TokenA already" in second


def test_load__one_name_with_other_arguments_on_another_chain__is_refused(tmp_path: Path) -> None:
    text = one(f'name = "C"\naddress = "{OTHER}"\nabi = "c.json"')
    text += f'[[chains]]\nid = 2\n[[chains.contracts]]\nname = "C"\naddress = "{OTHER}"\nabi = "d.json"\n'
    (found,) = faults(tmp_path, text, c=[entry("E", "uint8")], d=[entry("E", "uint8[]")])
    assert found.startswith("my.toml:9: chains[1].contracts[0]: C: E has other arguments") or "is the table" in found


@pytest.mark.parametrize("text", ["a = ", "chains = 1", "", "[chains]\nid = 1"])
def test_load__no_manifest__is_refused(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text)


def test_load__missing_file__is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        manifest_file.load(tmp_path / "no.toml")


def test_read_abi__artifact__gives_its_abi(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"abi": MAKER, "bytecode": "0x"}))
    assert manifest_file.read_abi("a.json", tmp_path) == MAKER
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(ValueError, match="no ABI"):
        manifest_file.read_abi("b.json", tmp_path)
