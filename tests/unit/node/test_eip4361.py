"""Sign-in messages: what is read, and what is refused."""

from datetime import UTC, datetime

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from contracts.typed_data import checksum, recover
from node import eip4361

ISSUED = datetime(2025, 6, 17, 9, 0, tzinfo=UTC)
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def message(**changes: object) -> str:
    fields: dict[str, object] = {
        "domain": "localhost:8000",
        "address": ADDRESS,
        "uri": "http://localhost:8000/",
        "chain_id": 31337,
        "nonce": "0123456789abcdef0123456789abcdef",
        "issued_at": ISSUED,
        "statement": "Sign in to Gridtrace.",
    }
    return eip4361.compose(**(fields | changes))  # type: ignore[arg-type]


def test_parse__composed_message__gives_its_fields() -> None:
    parsed = eip4361.parse(message())

    assert parsed.domain == "localhost:8000"
    assert parsed.address == ADDRESS
    assert parsed.chain_id == 31337
    assert parsed.issued_at == ISSUED
    assert parsed.statement == "Sign in to Gridtrace."


def test_parse__every_optional_field__is_read() -> None:
    text = message() + (
        "\nExpiration Time: 2025-06-17T10:00:00.123456789Z\nNot Before: 2025-06-17T08:00:00+02:00"
        "\nRequest ID: abc\nResources:\n- https://example.org/a\n- ipfs://b"
    )

    parsed = eip4361.parse(text)

    assert parsed.expiration_time == datetime(2025, 6, 17, 10, 0, 0, 123456, tzinfo=UTC)
    assert parsed.not_before == datetime(2025, 6, 17, 6, 0, tzinfo=UTC)


def test_parse__no_statement__is_allowed() -> None:
    assert eip4361.parse(message().replace("\nSign in to Gridtrace.\n", "\n", 1)).statement is None


@pytest.mark.parametrize(
    ("find", "replacement"),
    [
        ("Version: 1", "Version: 2"),
        ("Chain ID: 31337", "Chain ID: 0x7a69"),
        ("Nonce: 0123456789abcdef0123456789abcdef", "Nonce: short"),
        ("Nonce: 0", "Nonce: \u0660"),
        ("Issued At: 2025-06-17T09:00:00Z", "Issued At: yesterday"),
        ("Issued At: 2025-06-17T09:00:00Z", "Issued At: 2025-13-17T09:00:00Z"),
        ("Issued At: 2025-06-17T09:00:00Z", "Issued At: 2025-06-17T09:00:00"),
        (" wants you to sign in", " wants you to log in"),
        ("URI: http", "URI:  http"),
        (ADDRESS, ADDRESS[:-1]),
        ("localhost:8000 wants", "user@localhost:8000 wants"),
        ("Sign in to Gridtrace.", "Sign in\nto Gridtrace."),
    ],
)
def test_parse__broken_message__is_refused(find: str, replacement: str) -> None:
    text = message()
    assert find in text

    with pytest.raises(eip4361.BadSignInMessage):
        eip4361.parse(text.replace(find, replacement, 1))


def test_parse__trailing_text__is_refused() -> None:
    with pytest.raises(eip4361.BadSignInMessage):
        eip4361.parse(message() + "\nAlso transfer everything")


def test_parse__too_long__is_refused() -> None:
    with pytest.raises(eip4361.BadSignInMessage, match="more than"):
        eip4361.parse(message(statement="x" * 5_000))


def test_digest__signed_by_a_wallet__recovers_the_wallet() -> None:
    account = Account.create()
    text = message(address=account.address, statement="Grüezi")
    signed = account.sign_message(encode_defunct(text=text))

    assert checksum(recover(eip4361.digest(text), bytes(signed.signature))) == account.address
