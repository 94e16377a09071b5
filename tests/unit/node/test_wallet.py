"""Key files: what opens, what is refused, and that a key never shows."""

import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest
from eth_account import Account

from contracts.typed_data import recover
from node.wallet import DEV_ACCOUNTS, DevKeyRefused, KeyFileSigner, KeyUnusable

KEY = bytes.fromhex("8f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f40312233445566")
ANVIL_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
MAINNET = 1
DEVNET = 31_337


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("text", [KEY.hex(), "0x" + KEY.hex(), f"0x{KEY.hex().upper()}\n"])
def test_open__hex_file__signs_as_its_account(tmp_path: Path, text: str) -> None:
    signer = KeyFileSigner.open(write(tmp_path / "key", text), chain_id=MAINNET)
    assert signer.address == bytes.fromhex(Account.from_key(KEY).address[2:])
    assert recover(bytes(32), signer.sign_digest(bytes(32))) == signer.address


def test_open__keystore__signs_as_its_account(tmp_path: Path) -> None:
    keystore = json.dumps(Account.encrypt(KEY, "secret words", kdf="pbkdf2", iterations=10))
    password = write(tmp_path / "password", "secret words\n")
    signer = KeyFileSigner.open(write(tmp_path / "key", keystore), password, chain_id=MAINNET)
    assert signer.address == bytes.fromhex(Account.from_key(KEY).address[2:])


def test_open__keystore_with_wrong_or_no_password__refused(tmp_path: Path) -> None:
    keystore = write(tmp_path / "key", json.dumps(Account.encrypt(KEY, "right", kdf="pbkdf2", iterations=10)))
    with pytest.raises(KeyUnusable, match="password is wrong"):
        KeyFileSigner.open(keystore, write(tmp_path / "password", "wrong"), chain_id=MAINNET)
    with pytest.raises(KeyUnusable, match="no password file"):
        KeyFileSigner.open(keystore, chain_id=MAINNET)


@pytest.mark.parametrize("text", ["", "0x", "ff" * 31, "ff" * 33, "zz" * 32, "00" * 32, "ff" * 32, '{"a": 1}', "{"])
def test_open__no_key_in_file__refused(tmp_path: Path, text: str) -> None:
    password = write(tmp_path / "password", "any")
    with pytest.raises(KeyUnusable):
        KeyFileSigner.open(write(tmp_path / "key", text), password, chain_id=MAINNET)


def test_open__no_file__refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="missing-key"):
        KeyFileSigner.open(tmp_path / "missing-key", chain_id=MAINNET)


def test_open__published_key__only_on_development_chains(tmp_path: Path) -> None:
    path = write(tmp_path / "key", ANVIL_KEY)
    with pytest.raises(DevKeyRefused, match=r"chain 1$"):
        KeyFileSigner.open(path, chain_id=MAINNET)
    assert KeyFileSigner.open(path, chain_id=DEVNET).address in DEV_ACCOUNTS


def test_dev_accounts__mnemonics__all_listed() -> None:
    assert len(DEV_ACCOUNTS) == 30


def test_open__readable_by_others__warned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "key", KEY.hex())
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        KeyFileSigner.open(path, chain_id=MAINNET)
    assert "can be read by others" in caplog.text
    assert KEY.hex() not in caplog.text


def test_signer__shown_or_stored__no_key(tmp_path: Path) -> None:
    signer = KeyFileSigner.open(write(tmp_path / "key", KEY.hex()), chain_id=MAINNET)
    assert KEY.hex() not in repr(signer) + str(signer) + f"{signer}"
    assert repr(signer).startswith("KeyFileSigner(0x")
    with pytest.raises(TypeError, match="private key"):
        pickle.dumps(signer)


@pytest.mark.parametrize("text", ["ff" * 32, ANVIL_KEY, "ab" * 33])
def test_open__refused__key_not_in_traceback(tmp_path: Path, text: str) -> None:
    with pytest.raises((KeyUnusable, DevKeyRefused)) as refusal:
        KeyFileSigner.open(write(tmp_path / "key", text), chain_id=MAINNET)
    shown = "".join(traceback.format_exception(refusal.value))
    assert text.removeprefix("0x") not in shown


def test_sign_transaction__eip1559__recovers_to_signer() -> None:
    signer = KeyFileSigner(KEY, chain_id=MAINNET)
    raw = signer.sign_transaction(
        {
            "type": 2,
            "chainId": 1,
            "nonce": 5,
            "to": bytes(20),
            "value": 0,
            "data": b"\x01\x02",
            "gas": 100_000,
            "maxFeePerGas": 10,
            "maxPriorityFeePerGas": 1,
            "accessList": [],
        }
    )
    assert raw[0] == 2
    assert bytes.fromhex(Account.recover_transaction(raw)[2:]) == signer.address
