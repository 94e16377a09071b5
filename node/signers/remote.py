"""Keys kept by a signing service: web3signer's REST interface, or the JSON-RPC method ``eth_signTransaction``.

Sources: https://consensys.github.io/web3signer/web3signer-eth1.html (operations ETH1_LIST and ETH1_SIGN),
https://ethereum.github.io/execution-apis/ (eth_signTransaction).
"""

import json
from typing import Any

from contracts.typed_data import checksum
from node.signers import transaction as transactions
from node.signers.http import Http
from node.signers.public_key import address_of_key
from node.wallet import SignerRefused, SignerUnavailable, WrongSignature

_JSON = {"content-type": "application/json"}


class Web3Signer:
    """Asks web3signer to sign the bytes of a transaction; it hashes them itself and so sees what it signs."""

    def __init__(self, http: Http, address: bytes) -> None:
        self._http, self._address, self._identifier = http, address, ""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._address

    def open(self) -> None:
        """Finds the account's key among those that the service has. Raises SignerRefused where it has not."""
        keys = _parsed(self._http.get("/api/v1/eth1/publicKeys"))
        for key in keys if isinstance(keys, list) else ():
            if isinstance(key, str) and address_of_key(_octets(key)) == self._address:
                self._identifier = key
                return
        raise SignerRefused(f"{self._http.url} has no key of {checksum(self._address)}")

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """As the port says."""
        if not self._identifier:
            self.open()
        body = json.dumps({"data": "0x" + transactions.payload(transaction).hex()}).encode()
        answer = self._http.post(f"/api/v1/eth1/sign/{self._identifier}", body, _JSON)
        signature = _octets(answer.decode(errors="replace").strip().strip('"'))
        if len(signature) != 65:
            raise WrongSignature(f"a signature is 65 bytes, not {len(signature)}")
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
        return transactions.signed(transaction, self._address, r, s)


class RpcSigner:
    """Asks by ``eth_signTransaction``; what comes back is compared field by field with what was asked for."""

    def __init__(self, http: Http, address: bytes) -> None:
        self._http, self._address = http, address

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._address

    def sign_transaction(self, transaction: dict[str, Any]) -> bytes:
        """As the port says."""
        transactions.payload(transaction)  # refuses what could not be compared
        fields = {"from": checksum(self._address), **{name: _said(value) for name, value in transaction.items()}}
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_signTransaction", "params": [fields]}
        answer = _parsed(self._http.post("/", json.dumps(call).encode(), _JSON))
        if not isinstance(answer, dict) or "result" not in answer:
            raise SignerRefused(f"{self._http.url}: {str(answer)[:200]}")
        result = answer["result"]
        raw = result.get("raw") if isinstance(result, dict) else result
        return transactions.checked(_octets(raw), transaction, self._address)


def _said(value: Any) -> Any:
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise SignerUnavailable("the signer's answer is not JSON") from None


def _octets(text: object) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x")) if isinstance(text, str) else b""
    except ValueError:
        return b""
