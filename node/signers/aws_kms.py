"""A key in AWS KMS (ECC_SECG_P256K1): it never leaves there, each signature is asked for.

Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html, API_GetPublicKey.html
"""

import base64
import binascii
import configparser
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from eth_hash.auto import keccak

from contracts.typed_data import checksum
from node.signers import transaction as transactions
from node.signers.http import Http
from node.signers.public_key import address_of_spki, ecdsa_values
from node.signers.sigv4 import Credentials, authorised
from node.wallet import SignerRefused, SignerUnavailable, WrongSignature

_PASSING: Final = frozenset(
    {
        "ThrottlingException", "LimitExceededException", "DependencyTimeoutException", "KMSInternalException",
        "KeyUnavailableException", "ServiceUnavailable", "InternalFailure", "RequestExpired", "ExpiredTokenException",
    }
)  # fmt: skip
"""Errors after which the same request may be answered. Expired credentials are renewed in their file."""


class AwsKms:
    """Signs by the service's ``Sign`` on digests."""

    def __init__(
        self, http: Http, address: bytes, *, key_id: str, region: str, credentials: Callable[[], Credentials]
    ) -> None:
        self._http, self._address = http, address
        self._key_id, self._region, self._credentials = key_id, region, credentials

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._address

    def open(self) -> None:
        """Makes sure that the key is the account's.

        Raises:
            WrongSignature: it is another account's, or not on the chain's curve.
        """
        found = address_of_spki(self._octets(self._ask("GetPublicKey", {}), "PublicKey"))
        if found is None:
            raise WrongSignature(f"{self._key_id} is no ECC_SECG_P256K1 key")
        if found != self._address:
            raise WrongSignature(f"{self._key_id} is the key of {checksum(found)}, not of {checksum(self._address)}")

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """As the port says."""
        digest = keccak(transactions.payload(transaction))
        wanted = {
            "Message": base64.b64encode(digest).decode(),
            "MessageType": "DIGEST",
            "SigningAlgorithm": "ECDSA_SHA_256",
        }
        try:
            r, s = ecdsa_values(self._octets(self._ask("Sign", wanted), "Signature"))
        except ValueError as error:
            raise WrongSignature(f"the service's signature cannot be read: {error}") from None
        return transactions.signed(transaction, self._address, r, s)

    def _ask(self, operation: str, fields: dict[str, str]) -> dict[str, Any]:
        body = json.dumps({"KeyId": self._key_id, **fields}).encode()
        headers = {
            "host": urlsplit(self._http.url).netloc,
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"TrentService.{operation}",
        }
        scope = {"region": self._region, "service": "kms", "method": "POST", "path": "/"}
        signed = authorised(self._credentials(), **scope, headers=headers, body=body, now=datetime.now(UTC))
        status, answer = self._http.ask(httpx.Request("POST", self._http.url + "/", content=body, headers=signed))
        try:
            said = json.loads(answer)
        except (ValueError, RecursionError):
            said = None
        if status == 200 and isinstance(said, dict):
            return said
        kind = str(said.get("__type", "")).rpartition("#")[2] if isinstance(said, dict) else ""
        message = f"KMS {operation} answers {status} {kind}: {answer[:200].decode(errors='replace')}"
        raise SignerUnavailable(message) if status >= 500 or kind in _PASSING else SignerRefused(message)

    def _octets(self, answer: dict[str, Any], name: str) -> bytes:
        try:
            return base64.b64decode(answer[name], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise WrongSignature(f"the service's answer has no {name}") from None


def credentials_in(path: Path, profile: str = "default") -> Credentials:
    """Reads a credentials file as the AWS command line writes it. Raises SignerUnavailable where it has none now."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
        section = parser[profile]
        return Credentials(
            section["aws_access_key_id"], section["aws_secret_access_key"], section.get("aws_session_token")
        )
    except (OSError, UnicodeDecodeError, KeyError, configparser.Error) as error:
        # The file may be being replaced. What it holds is never repeated.
        raise SignerUnavailable(f"{path} holds no credentials: {type(error).__name__}") from None
