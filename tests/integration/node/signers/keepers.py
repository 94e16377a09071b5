"""Whoever keeps a key, as its protocol is published: web3signer, eth_signTransaction, AWS KMS. On a real socket."""

import base64
import hashlib
import hmac
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_account import Account
from eth_hash.auto import keccak

KEY = bytes.fromhex("8f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f40312233445566")
OTHER_KEY = bytes.fromhex("18f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f4031223344556")
ADDRESS = bytes.fromhex(Account.from_key(KEY).address[2:])
TLS = Path(__file__).parent / "tls"
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

ACCESS_KEY, SECRET, REGION, TOKEN = (
    "AKIDEXAMPLE",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "eu-central-1",
    "of a role",
)
KEY_ID = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

Answer = tuple[int, bytes]


class Keeper:
    """One server; ``key`` signs, and ``answer`` stands for the next answer where it is set."""

    def __init__(self) -> None:
        self.key = KEY
        self.answer: Answer | None = None
        self.delay_s = 0.0
        self.high_s = False
        self.asked: list[str] = []
        self.url = ""

    def web3signer_keys(self) -> Answer:
        return 200, json.dumps(["0x" + _point(OTHER_KEY).hex(), "0x" + _point(KEY).hex()]).encode()

    def web3signer_sign(self, identifier: str, body: bytes) -> Answer:
        """ETH1_SIGN: the data is hashed with Keccak-256 and signed; 404 for a key that is not there."""
        if identifier != "0x" + _point(KEY).hex():
            return 404, b"Public Key not found"
        data = bytes.fromhex(json.loads(body)["data"].removeprefix("0x"))
        signature = PrivateKey(self.key).sign_recoverable(keccak(data), hasher=None)
        return 200, b"0x" + (signature[:64] + bytes([signature[64] + 27])).hex().encode()

    def rpc(self, body: bytes) -> Answer:
        call = json.loads(body)
        (fields,) = call["params"]
        if call["method"] != "eth_signTransaction" or bytes.fromhex(fields.pop("from")[2:]) != ADDRESS:
            return 200, json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32_000}}).encode()
        raw = Account.sign_transaction(fields, self.key).raw_transaction
        return 200, json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": "0x" + raw.hex()}).encode()

    def kms(self, headers: dict[str, str], body: bytes) -> Answer:
        """GetPublicKey and Sign, for requests signed by Signature Version 4."""
        fault = sigv4_fault(headers, body)
        if fault is not None:
            return _kms_error(fault)
        wanted = json.loads(body)
        if wanted["KeyId"] != KEY_ID:
            return _kms_error("NotFoundException")
        if headers["x-amz-target"] == "TrentService.GetPublicKey":
            info = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200") + b"\x04" + _point(self.key)
            return _kms_answer(PublicKey=info, KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY")
        assert headers["x-amz-target"] == "TrentService.Sign"
        if (wanted["MessageType"], wanted["SigningAlgorithm"]) != ("DIGEST", "ECDSA_SHA_256"):
            return _kms_error("InvalidKeyUsageException")
        digest = base64.b64decode(wanted["Message"])
        if len(digest) != 32:
            return _kms_error("ValidationException")
        signature = PrivateKey(self.key).sign_recoverable(digest, hasher=None)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        return _kms_answer(Signature=_der(r, ORDER - s if self.high_s else s), SigningAlgorithm="ECDSA_SHA_256")


def sigv4_fault(headers: dict[str, str], body: bytes) -> str | None:
    """Why the service would turn a request away, by the published steps of Signature Version 4."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
        r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if found is None:
        return "MissingAuthenticationTokenException"
    access_key, day, region, service, names, given = found.groups()
    if access_key != ACCESS_KEY or (region, service) != (REGION, "kms"):
        return "UnrecognizedClientException"
    stamped = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - stamped) > timedelta(minutes=5) or not headers["x-amz-date"].startswith(day):
        return "RequestExpired"
    if "x-amz-security-token" in headers and headers["x-amz-security-token"] != TOKEN:
        return "InvalidClientTokenId"
    signed = names.split(";")
    if signed != sorted(signed) or not {"host", "x-amz-date", "x-amz-target"} <= set(signed):
        return "IncompleteSignature"
    canonical = "POST\n/\n\n"
    for name in signed:
        canonical += name + ":" + " ".join(headers[name].split()) + "\n"
    canonical += f"\n{names}\n{hashlib.sha256(body).hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{day}/{region}/kms/aws4_request\n"
    text += hashlib.sha256(canonical.encode()).hexdigest()
    k_date = hmac.digest(f"AWS4{SECRET}".encode(), day.encode(), "sha256")
    k_service = hmac.digest(hmac.digest(k_date, region.encode(), "sha256"), b"kms", "sha256")
    k_signing = hmac.digest(k_service, b"aws4_request", "sha256")
    fits = hmac.compare_digest(hmac.digest(k_signing, text.encode(), "sha256").hex(), given)
    return None if fits else "InvalidSignatureException"


@contextmanager
def keeping(certificate: bool = False) -> Iterator[Keeper]:
    """A keeper on a free port; with a certificate it speaks TLS and asks for the node's."""
    keeper = Keeper()
    server = _Server(("127.0.0.1", 0), _handler(keeper))
    keeper.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
        context.load_verify_locations(TLS / "client.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield keeper
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked went away in the middle, as some tests do."""


def _handler(keeper: Keeper) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._tell(keeper.web3signer_keys if self.path == "/api/v1/eth1/publicKeys" else lambda: (404, b""))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if found := re.fullmatch(r"/api/v1/eth1/sign/(0x[0-9a-f]+)", self.path):
                identifier = found[1]
                self._tell(lambda: keeper.web3signer_sign(identifier, body))
            elif "x-amz-target" in self.headers:
                self._tell(lambda: keeper.kms({name.lower(): value for name, value in self.headers.items()}, body))
            else:
                self._tell(lambda: keeper.rpc(body))

        def _tell(self, answered: Callable[[], Answer]) -> None:
            keeper.asked.append(self.path)
            time.sleep(keeper.delay_s)
            status, said = keeper.answer or answered()
            with suppress(OSError):  # who asked may have gone
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _point(key: bytes) -> bytes:
    return PrivateKey(key).public_key.format(compressed=False)[1:]


def _der(r: int, s: int) -> bytes:
    parts = b"".join(b"\x02" + bytes([len(part)]) + part for part in (_signed(r), _signed(s)))
    return b"\x30" + bytes([len(parts)]) + parts


def _signed(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _kms_answer(**fields: Any) -> Answer:
    coded = {name: base64.b64encode(it).decode() if isinstance(it, bytes) else it for name, it in fields.items()}
    return 200, json.dumps({"KeyId": KEY_ID, **coded}).encode()


def _kms_error(kind: str) -> Answer:
    return 400, json.dumps({"__type": f"com.amazonaws.kms#{kind}", "message": "no"}).encode()
