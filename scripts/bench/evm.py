"""Where the compiled contracts are tried: in this process, thousands of calls a second, or on anvil, with real gas."""

import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyrevm

from api.devnet.chain import binary
from api.devnet.process import free_port
from contracts.abi import creation_code, decode_result, encode_call
from contracts.reverts import Revert, decode_revert

GAS_LIMIT: Final = 1_000_000_000
_OUTPUT: Final = re.compile(r"output: 0x([0-9a-f]*)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did."""

    ok: bool
    data: bytes
    """What it returned, or why it reverted; nothing of a transaction mined by anvil."""
    gas: int = 0
    """A receipt's ``gasUsed``; 0 where there is no receipt."""

    @property
    def revert(self) -> Revert:
        """The decoded error of a transaction that failed."""
        return decode_revert(self.data)


class Failed(Exception):
    """A transaction that had to succeed did not."""


class Evm(Protocol):
    """One chain with accounts that need no key and pay nothing."""

    time_s: int

    @property
    def chain_id(self) -> int: ...

    def warp(self, time_s: int) -> None:
        """Sets the time of the blocks that follow."""

    def create(self, deployer: bytes, code: bytes) -> bytes:
        """Address of what this creation code makes."""

    def transact(self, sender: bytes, to: bytes, data: bytes) -> Outcome:
        """Sends a transaction; a failed one changes nothing."""

    def call(self, to: bytes, data: bytes) -> bytes:
        """What a view returns. Raises Failed."""


def deploy(evm: Evm, deployer: bytes, contract: str, *arguments: Any) -> bytes:
    """Address of a new contract of ``contracts/artifacts``."""
    return evm.create(deployer, creation_code(contract, *arguments))


def send(evm: Evm, sender: bytes, to: bytes, contract: str, function: str, *arguments: Any) -> Outcome:
    """Sends a transaction that must succeed. Raises Failed."""
    outcome = evm.transact(sender, to, encode_call(contract, function, *arguments))
    if not outcome.ok:
        raise Failed(f"{contract}.{function}: {outcome.revert}")
    return outcome


def read(evm: Evm, to: bytes, contract: str, function: str, *arguments: Any) -> Any:
    """What a view returns: the value, or a tuple of several. Raises Failed."""
    values = decode_result(contract, function, evm.call(to, encode_call(contract, function, *arguments)))
    return values[0] if len(values) == 1 else values


class Revm:
    """In this process. Storage stays warm from one call to the next, so its gas says nothing and is not told."""

    def __init__(self, time_s: int) -> None:
        self._evm: Any = pyrevm.EVM(gas_limit=GAS_LIMIT)  # its stubs are wrong about what it has
        self.warp(time_s)

    @property
    def chain_id(self) -> int:
        return int(self._evm.env.cfg.chain_id)

    def warp(self, time_s: int) -> None:
        self.time_s = time_s
        self._evm.set_block_env(pyrevm.BlockEnv(number=1, timestamp=time_s, gas_limit=GAS_LIMIT, basefee=0))

    def create(self, deployer: bytes, code: bytes) -> bytes:
        return bytes.fromhex(self._evm.deploy(_text(deployer), code)[2:])

    def transact(self, sender: bytes, to: bytes, data: bytes) -> Outcome:
        try:
            return Outcome(True, bytes(self._evm.message_call(_text(sender), _text(to), data)))
        except RuntimeError as error:
            found = _OUTPUT.search(str(error))
            return Outcome(False, bytes.fromhex(found[1]) if found else str(error).encode())

    def call(self, to: bytes, data: bytes) -> bytes:
        outcome = self.transact(bytes(20), to, data)
        if not outcome.ok:
            raise Failed(str(outcome.revert))
        return outcome.data

    def logs(self) -> list[tuple[bytes, tuple[bytes, ...], bytes]]:
        """Emitter, topics and data of what the last transaction emitted."""
        found = []
        for log in self._evm.result.logs:
            topics, data = log.data
            found.append((bytes.fromhex(log.address[2:]), tuple(bytes(topic) for topic in topics), bytes(data)))
        return found


class Anvil:
    """A node of its own: real transactions, cold storage, real receipts."""

    chain_id = 31_337
    TRANSACTION_GAS: Final = 16_777_216

    def __init__(self, port: int, time_s: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.time_s = time_s

    def close(self) -> None:
        """Ends the connection; the node goes on."""
        self._connection.close()

    def warp(self, time_s: int) -> None:
        self.time_s = time_s
        self.rpc("evm_setNextBlockTimestamp", hex(time_s))

    def create(self, deployer: bytes, code: bytes) -> bytes:
        receipt = self._mined({"from": _text(deployer), "data": "0x" + code.hex()})
        return bytes.fromhex(receipt["contractAddress"][2:])

    def transact(self, sender: bytes, to: bytes, data: bytes) -> Outcome:
        transaction = {"from": _text(sender), "to": _text(to), "data": "0x" + data.hex()}
        receipt = self._mined(transaction)
        if receipt["status"] == "0x1":
            return Outcome(True, b"", int(receipt["gasUsed"], 16))
        return Outcome(False, self._call(transaction)[1])

    def call(self, to: bytes, data: bytes) -> bytes:
        ok, output = self._call({"to": _text(to), "data": "0x" + data.hex()})
        if not ok:
            raise Failed(str(decode_revert(output)))
        return output

    def rpc(self, method: str, *parameters: Any) -> Any:
        """The result. Raises Failed."""
        answer = self._ask(method, parameters)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    def _mined(self, transaction: dict[str, str]) -> Any:
        terms = {"gas": hex(self.TRANSACTION_GAS), "gasPrice": "0x0"}
        sent = self.rpc("eth_sendTransaction", {**transaction, **terms})
        for _ in range(2_000):
            if receipt := self.rpc("eth_getTransactionReceipt", sent):
                return receipt
            time.sleep(0.001)
        raise Failed(f"{sent} was not mined")

    def _call(self, transaction: dict[str, str]) -> tuple[bool, bytes]:
        answer = self._ask("eth_call", (transaction, "latest"))
        if "error" in answer:
            return False, bytes.fromhex(str(answer["error"].get("data") or "0x")[2:])
        return True, bytes.fromhex(answer["result"][2:])

    def _ask(self, method: str, parameters: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)})
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return json.loads(self._connection.getresponse().read())
        except OSError:
            self._connection.close()  # or it could not be asked again
            raise


@contextmanager
def anvil(time_s: int) -> Iterator[Anvil]:
    """A fresh chain whose first block has this time, for as long as the block runs."""
    port = free_port()
    command = [binary(), "--port", str(port), "--timestamp", str(time_s), "--base-fee", "0", "--gas-price", "0"]
    command += ["--auto-impersonate", "--enable-tx-gas-limit", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    chain = Anvil(port, time_s)
    try:
        _await_answer(chain)
        yield chain
    finally:
        chain.close()
        process.terminate()
        process.wait(timeout=20)


def _await_answer(chain: Anvil) -> None:
    for _ in range(200):
        try:
            chain.rpc("eth_chainId")
            return
        except OSError:
            time.sleep(0.05)
    raise Failed("anvil does not answer")


def _text(address: bytes) -> str:
    return "0x" + address.hex()
