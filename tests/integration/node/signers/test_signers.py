"""Keys that others keep: what is signed is exactly what was asked for, and every failure says what to do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from contracts.addresses import Deployment
from contracts.errors import GridtraceError
from contracts.typed_data import checksum
from indexer.config import Environment
from indexer.errors import ConfigError
from node.config import SignerConfig
from node.settlement import calldata
from node.signers.service import open_signer
from node.wallet import Signer, SignerRefused, SignerUnavailable, SigningForbidden, WrongSignature
from tests.integration.node.signers import keepers
from tests.integration.node.signers.keepers import ACCESS_KEY, ADDRESS, KEY_ID, OTHER_KEY, REGION, SECRET, TLS, TOKEN

pytestmark = pytest.mark.integration

LEDGER = b"\x11" * 20
DEPLOYMENT = Deployment(1, 0, {"ProductionLedger": LEDGER})
TRANSACTION: dict[str, Any] = {
    "type": 2,
    "chainId": 1,
    "nonce": 7,
    "to": LEDGER,
    "value": 0,
    "data": calldata.attest(1, 900, bytes(32), b"", 0).data,
    "gas": 150_000,
    "maxFeePerGas": 3_000_000_000,
    "maxPriorityFeePerGas": 0,
    "accessList": [],
}
KINDS = ("web3signer", "rpc", "aws-kms")


@pytest.fixture(scope="module")
def server() -> Iterator[keepers.Keeper]:
    with keepers.keeping() as keeper:
        yield keeper


@pytest.fixture
def keeper(server: keepers.Keeper) -> keepers.Keeper:
    url = server.url
    server.__init__()  # type: ignore[misc]
    server.url = url
    return server


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.write_text(f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET}\n")
    return path


def opened(kind: str, url: str, credentials: Path, **more: str) -> Signer:
    settings = {"SIGNER": kind, "SIGNER_URL": url, "SIGNER_KEY_ID": KEY_ID, "SIGNER_REGION": REGION}
    settings |= {"SIGNER_CREDENTIALS_FILE": str(credentials), "SIGNER_TIMEOUT_S": "20", **more}
    env = Environment({f"GRIDTRACE_{name}": value for name, value in settings.items()})
    config = SignerConfig.read(env)
    env.check()
    return open_signer(config, ADDRESS, 1, DEPLOYMENT)


@pytest.mark.parametrize("high_s", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_sign_transaction__by_each_keeper__is_what_the_key_itself_signs(
    keeper: keepers.Keeper, credentials: Path, kind: str, *, high_s: bool
) -> None:
    keeper.high_s = high_s
    raw = opened(kind, keeper.url, credentials).sign_transaction(TRANSACTION)
    expected = Account.sign_transaction({**TRANSACTION, "to": checksum(LEDGER)}, keepers.KEY)
    # RFC 6979 on both sides: byte for byte the same.
    assert raw == bytes(expected.raw_transaction)
    assert Account.recover_transaction(raw) == checksum(ADDRESS)


@pytest.mark.parametrize("kind", KINDS)
def test_sign_transaction__another_key_signs__is_fatal(keeper: keepers.Keeper, credentials: Path, kind: str) -> None:
    signer = opened(kind, keeper.url, credentials)
    keeper.key = OTHER_KEY
    with pytest.raises(WrongSignature) as raised:
        signer.sign_transaction(TRANSACTION)
    assert not raised.value.retryable


def test_open__kms_key_of_another_account__is_fatal(keeper: keepers.Keeper, credentials: Path) -> None:
    keeper.key = OTHER_KEY
    with pytest.raises(WrongSignature, match="is the key of"):
        opened("aws-kms", keeper.url, credentials)


def test_open__web3signer_without_the_key__is_refused(keeper: keepers.Keeper, credentials: Path) -> None:
    keeper.answer = 200, b"[]"
    with pytest.raises(SignerRefused, match="has no key of"):
        opened("web3signer", keeper.url, credentials)


def test_sign_transaction__rpc_signs_another_transaction__is_fatal(keeper: keepers.Keeper, credentials: Path) -> None:
    other = Account.sign_transaction({**TRANSACTION, "to": checksum(ADDRESS)}, keepers.KEY).raw_transaction
    signer = opened("rpc", keeper.url, credentials)
    keeper.answer = 200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"raw": "0x" + other.hex()}}).encode()
    with pytest.raises(WrongSignature, match="another transaction was signed"):
        signer.sign_transaction(TRANSACTION)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((503, b"starting"), SignerUnavailable),
        ((500, b'{"__type":"KMSInternalException"}'), SignerUnavailable),
        ((400, b'{"__type":"com.amazonaws.kms#ThrottlingException"}'), SignerUnavailable),
        ((400, b'{"__type":"com.amazonaws.kms#ExpiredTokenException"}'), SignerUnavailable),
        ((400, b'{"__type":"com.amazonaws.kms#AccessDeniedException"}'), SignerRefused),
        ((400, b'{"__type":"com.amazonaws.kms#DisabledException"}'), SignerRefused),
        ((302, b""), SignerRefused),
        ((200, b"{}"), WrongSignature),
        ((200, b'{"Signature": "MEUCIQ=="}'), WrongSignature),
        ((200, b'{"Signature": 1}'), WrongSignature),
    ],
)
def test_sign_transaction__kms_answers_something_else__says_whether_to_try_again(
    keeper: keepers.Keeper, credentials: Path, answer: keepers.Answer, error: type[GridtraceError]
) -> None:
    signer = opened("aws-kms", keeper.url, credentials)
    keeper.answer = answer
    with pytest.raises(error):
        signer.sign_transaction(TRANSACTION)
    keeper.answer = None
    signer.sign_transaction(TRANSACTION)


@pytest.mark.parametrize("kind", ["web3signer", "rpc"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((502, b"bad gateway"), SignerUnavailable),
        ((404, b"not here"), SignerRefused),
        ((200, b""), GridtraceError),
        ((200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000}}'), GridtraceError),
        ((200, b'{"jsonrpc":"2.0","id":1,"result":"0x02c0"}'), WrongSignature),
        ((200, b"x" * (2 << 20)), SignerUnavailable),
    ],
)
def test_sign_transaction__keeper_answers_something_else__is_a_typed_error(
    keeper: keepers.Keeper, credentials: Path, kind: str, answer: keepers.Answer, error: type[GridtraceError]
) -> None:
    signer = opened(kind, keeper.url, credentials)
    keeper.answer = answer
    with pytest.raises(error):
        signer.sign_transaction(TRANSACTION)


def test_sign_transaction__no_answer_in_time__is_retryable(keeper: keepers.Keeper, credentials: Path) -> None:
    signer = opened("rpc", keeper.url, credentials, SIGNER_TIMEOUT_S="0.2")
    keeper.delay_s = 2.0
    with pytest.raises(SignerUnavailable, match="does not answer") as raised:
        signer.sign_transaction(TRANSACTION)
    assert raised.value.retryable


def test_sign_transaction__nobody_there__is_retryable(credentials: Path) -> None:
    with keepers.keeping() as gone:
        signer = opened("rpc", gone.url, credentials)
    with pytest.raises(SignerUnavailable):
        signer.sign_transaction(TRANSACTION)


def test_sign_transaction__kms_credentials_renewed_in_their_file__are_used(
    keeper: keepers.Keeper, credentials: Path
) -> None:
    signer = opened("aws-kms", keeper.url, credentials)
    right = credentials.read_text()
    credentials.write_text(right.replace(SECRET, "stolen"))
    with pytest.raises(SignerRefused, match="InvalidSignatureException"):
        signer.sign_transaction(TRANSACTION)
    credentials.unlink()
    with pytest.raises(SignerUnavailable, match="no credentials") as raised:
        signer.sign_transaction(TRANSACTION)
    assert SECRET not in str(raised.value)
    credentials.write_text(f"{right}aws_session_token = {TOKEN}\n")
    signer.sign_transaction(TRANSACTION)


def test_sign_transaction__over_tls__needs_the_trusted_certificate_and_our_own(credentials: Path) -> None:
    ours = {"SIGNER_CERT_FILE": str(TLS / "client.pem"), "SIGNER_KEY_FILE": str(TLS / "client.key")}
    trusted = {"SIGNER_CA_FILE": str(TLS / "server.pem")}
    with keepers.keeping(certificate=True) as keeper:
        assert opened("web3signer", keeper.url, credentials, **ours, **trusted).sign_transaction(TRANSACTION)
        asked = len(keeper.asked)
        for less in (ours, trusted, {}):
            with pytest.raises(SignerUnavailable):
                opened("web3signer", keeper.url, credentials, **less)
        assert len(keeper.asked) == asked
    with pytest.raises(ConfigError, match="certificates"):
        opened("web3signer", keeper.url, credentials, SIGNER_CA_FILE="/nowhere")


@pytest.mark.parametrize("kind", ["file", *KINDS])
def test_sign_transaction__outside_the_policy__is_never_asked_for(
    keeper: keepers.Keeper, credentials: Path, tmp_path: Path, kind: str
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(keepers.KEY.hex())
    key_file.chmod(0o600)
    signer = opened(kind, keeper.url, credentials, OPERATOR_KEY_FILE=str(key_file))
    keeper.asked.clear()
    for change in ({"to": ADDRESS}, {"data": b"\xa9\x05\x9c\xbb"}, {"value": 1}, {"chainId": 2}, {"to": b""}):
        with pytest.raises(SigningForbidden):
            signer.sign_transaction(TRANSACTION | change)
    assert keeper.asked == []
    assert signer.sign_transaction(TRANSACTION)
