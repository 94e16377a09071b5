"""HTTP to whoever keeps a key: one time limit, one's own certificates, and errors that say what to do."""

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from indexer.errors import ConfigError
from node.wallet import SignerRefused, SignerUnavailable

MOST_BYTES: Final = 1 << 20
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may be answered."""


class Http:
    """Requests to one server. Redirections are not followed: a key's keeper does not move by itself."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        *,
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        try:
            context = ssl.create_default_context(cafile=ca_file)
            if cert_file is not None:
                context.load_cert_chain(cert_file, key_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError([f"the signer's certificates cannot be used: {error}"]) from None
        self._context, self._timeout_s = context, timeout_s

    def get(self, path: str) -> bytes:
        """The body of the answer. Raises as ``post``."""
        return self._answered(httpx.Request("GET", self.url + path))

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The body of the answer.

        Raises:
            SignerUnavailable: no answer in time, no trusted connection, or the server is busy.
            SignerRefused: it answers with a refusal.
        """
        return self._answered(httpx.Request("POST", self.url + path, content=body, headers=headers))

    def ask(self, request: httpx.Request) -> tuple[int, bytes]:
        """Status and body. Raises SignerUnavailable where there is no answer."""
        body, until = b"", time.monotonic() + self._timeout_s
        try:
            # A connection for each: signatures are few, and none is held open that may be dead when it is needed.
            with (
                httpx.Client(verify=self._context, timeout=self._timeout_s, trust_env=False) as client,
                client.stream(request.method, request.url, content=request.content, headers=request.headers) as answer,
            ):
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MOST_BYTES or time.monotonic() > until:
                        raise SignerUnavailable(f"{self.url} answers too much or too slowly")
        except httpx.HTTPError as error:
            raise SignerUnavailable(f"{self.url} does not answer: {type(error).__name__} {error}") from None
        return answer.status_code, body

    def _answered(self, request: httpx.Request) -> bytes:
        status, body = self.ask(request)
        if status == 200:
            return body
        said = f"{self.url}{request.url.path} answers {status}: {body[:200].decode(errors='replace')}"
        raise SignerUnavailable(said) if status in _BUSY else SignerRefused(said)
