"""The outbox against a real chain and database: order, failures, fees, reorganisations, and a crash at every step."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from contracts.abi import creation_code, encode_call
from contracts.typed_data import address_of
from indexer.db import Connection, Pool, open_pool
from node import outbox
from node.app import SENDING
from node.outbox import HttpRpc, OutboxConflict, Sender, SendPolicy, Status, TransactionUnknown, rows
from node.wallet import KeyFileSigner
from tests.integration.conftest import AnvilChain

pytestmark = pytest.mark.integration

KEY = bytes.fromhex("8f2a559490f0b9f5c4b1e1d8a4c6a0b7d3e2f1a09b8c7d6e5f40312233445566")
SENDER = address_of(KEY)
ACCOUNT = b"\xa1" * 20
QUICK = SendPolicy(poll_s=0.02, resend_after_s=0.2, bump_after_s=60, back_off_s=0.05, refuse_after_s=0.1)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=4) as pool:
        yield pool


@pytest.fixture
async def rpc(anvil: AnvilChain) -> AsyncIterator[HttpRpc]:
    client = HttpRpc([anvil.url])
    yield client
    await client.close()


@pytest.fixture
def signer() -> KeyFileSigner:
    return KeyFileSigner(KEY, chain_id=31_337)


@pytest.fixture
def token(anvil: AnvilChain) -> bytes:
    """A payment token that SENDER administers; SENDER has money for gas."""
    anvil.rpc("anvil_setBalance", ["0x" + SENDER.hex(), hex(10**20)])
    manager = create(anvil, creation_code("GridtraceAccessManager", SENDER))
    return create(anvil, creation_code("PaymentToken", manager))


def create(anvil: AnvilChain, code: bytes) -> bytes:
    transaction = {"from": anvil.rpc("eth_accounts")[0], "data": "0x" + code.hex()}
    receipt = anvil.rpc("eth_getTransactionReceipt", [anvil.rpc("eth_sendTransaction", [transaction])])
    return bytes.fromhex(receipt["contractAddress"][2:])


def mint(amount: int, account: bytes = ACCOUNT) -> bytes:
    return encode_call("PaymentToken", "mint", account, amount)


def balance(anvil: AnvilChain, token: bytes, account: bytes = ACCOUNT) -> int:
    call = {"to": "0x" + token.hex(), "data": "0x" + encode_call("PaymentToken", "balanceOf", account).hex()}
    return int(anvil.rpc("eth_call", [call, "latest"]), 16)


async def enqueue(
    pool: Pool, token: bytes, key: str, calldata: bytes, gas_limit: int | None = None, *, kind: str = "test"
) -> int:
    async with pool.acquire() as db:
        return await outbox.enqueue(
            db, key=key, kind=kind, sender=SENDER, target=token, calldata=calldata, gas_limit=gas_limit
        )


async def status(pool: Pool, row_id: int) -> Status:
    async with pool.acquire() as db:
        return await outbox.state(db, row_id)


async def reach(pool: Pool, row_id: int, *states: str, timeout_s: float = 15) -> Status:
    """The row's status once it is in one of ``states``."""

    async def reached() -> bool:
        return (await status(pool, row_id)).state in states

    await until(reached, timeout_s)
    return await status(pool, row_id)


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 15) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(sender: Sender) -> AsyncIterator[None]:
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture
def sender(pool: Pool, rpc: HttpRpc, signer: KeyFileSigner) -> Sender:
    return Sender(pool, rpc, signer, 31_337, QUICK)


async def test_enqueue__same_key_again__finds_the_first(pool: Pool) -> None:
    first = await enqueue(pool, ACCOUNT, "a", b"\x01")
    assert await enqueue(pool, ACCOUNT, "a", b"\x01") == first
    assert await enqueue(pool, ACCOUNT, "b", b"\x01") != first


async def test_enqueue__same_key_other_effect__conflict(pool: Pool) -> None:
    await enqueue(pool, ACCOUNT, "a", b"\x01")
    for target, calldata in ((ACCOUNT, b"\x02"), (SENDER, b"\x01")):
        with pytest.raises(OutboxConflict, match="'a'"):
            await enqueue(pool, target, "a", calldata)


async def test_enqueue__cause_rolled_back__no_row(pool: Pool) -> None:
    async with pool.acquire() as db:
        cause = db.transaction()
        await cause.start()
        row_id = await outbox.enqueue(db, key="a", kind="test", sender=SENDER, target=ACCOUNT, calldata=b"")
        await cause.rollback()
        assert await outbox.find(db, "a") is None
    with pytest.raises(TransactionUnknown, match=str(row_id)):
        await status(pool, row_id)


async def test_run__queued__mined_then_final(pool: Pool, anvil: AnvilChain, token: bytes, sender: Sender) -> None:
    told: list[str] = []
    async with pool.acquire() as listener:
        await listener.add_listener("gridtrace_outbox_done", lambda *args: told.append(args[3]))
        async with running(sender):
            row_id = await enqueue(pool, token, "a", mint(5))
            mined = await reach(pool, row_id, "mined")
            assert mined.succeeded
            assert mined.nonce == 0
            assert mined.gas_used is not None and mined.gas_used > 21_000
            receipt = anvil.rpc("eth_getTransactionReceipt", ["0x" + (mined.transaction_hash or b"").hex()])
            assert int(receipt["blockNumber"], 16) == mined.block_number
            anvil.rpc("anvil_mine", ["0x40"])
            await reach(pool, row_id, "final")
            assert told == [str(row_id)] * 2
        await listener.reset()
    assert balance(anvil, token) == 5


async def test_run__connection_cut_off_in_the_middle_of_a_call__goes_on(
    pool: Pool, token: bytes, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, cut_off = rows.live, itertools.chain([True], itertools.repeat(False))

    async def look(db: Connection, account: bytes) -> list[rows.Live]:
        if next(cut_off):
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
        return await live(db, account)

    monkeypatch.setattr(rows, "live", look)
    row_id = await enqueue(pool, token, "a", mint(5))
    async with running(sender):
        assert (await reach(pool, row_id, "mined")).succeeded


async def test_run__many_waiting__mined_in_order(pool: Pool, anvil: AnvilChain, token: bytes, sender: Sender) -> None:
    ids = [await enqueue(pool, token, f"k{n}", mint(1)) for n in range(40)]
    async with running(sender):
        found = [await reach(pool, row_id, "mined") for row_id in ids]
    assert [row.nonce for row in found] == list(range(40))
    assert balance(anvil, token) == 40


async def test_run__simulation_reverts__failed_with_reason_and_no_nonce(
    pool: Pool, anvil: AnvilChain, token: bytes, sender: Sender
) -> None:
    burn = encode_call("PaymentToken", "transfer", ACCOUNT, 7)
    bad = await enqueue(pool, token, "bad", burn)
    limited = await enqueue(pool, token, "limited", burn, 100_000)
    nowhere = await enqueue(pool, b"\x77" * 20, "nowhere", b"\x01\x02\x03\x04")
    good = await enqueue(pool, token, "good", mint(1))
    async with running(sender):
        assert (await reach(pool, good, "mined")).nonce == 0
    for row_id in (bad, limited):
        failed = await status(pool, row_id)
        assert failed.state == "failed"
        assert failed.nonce is None
        assert failed.error is not None
        assert failed.error.startswith("ERC20InsufficientBalance(sender=0x" + SENDER.hex())
    assert (await status(pool, nowhere)).error == "there is no contract at the target"


async def test_run__simulation_fails_until_a_later_block__waits_for_it(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    """The chain's newest block lags behind what the transaction follows from."""
    patient = SendPolicy(poll_s=0.02, refuse_after_blocks=3, refuse_after_s=60)
    early = await enqueue(pool, token, "early", encode_call("PaymentToken", "transfer", ACCOUNT, 7))
    async with running(Sender(pool, rpc, signer, 31_337, patient)):
        for _ in range(2):
            await asyncio.sleep(0.2)
            anvil.rpc("evm_mine")
        slot = storage_slot_of_balance(anvil, token, SENDER)
        anvil.rpc("anvil_setStorageAt", ["0x" + token.hex(), slot, "0x" + "00" * 31 + "07"])
        await reach(pool, early, "mined")
        bad = await enqueue(pool, token, "bad", encode_call("PaymentToken", "transfer", ACCOUNT, 7))
        await asyncio.sleep(0.3)
        assert (await status(pool, bad)).state == "queued"
        anvil.rpc("anvil_mine", ["0x3"])
        await reach(pool, bad, "failed", timeout_s=5)


async def test_run__chain_stands_still__refuses_nothing(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    policy = replace(SENDING, poll_s=0.02)
    assert policy.refuse_after_s is None
    bad = await enqueue(pool, token, "bad", transfer(7))
    async with running(Sender(pool, rpc, signer, 31_337, policy)):
        await asyncio.sleep(0.5)
        assert (await status(pool, bad)).state == "queued"
        anvil.rpc("anvil_mine", ["0x3"])
        await reach(pool, bad, "failed", timeout_s=5)


async def test_run__simulation_fails__holds_up_its_line_and_no_other(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    """What the ledger is told stays in order; the settlement of another slot and an account's deposit go on."""
    patient = SendPolicy(poll_s=0.02, refuse_after_blocks=1_000, refuse_after_s=None)
    attest = await enqueue(pool, token, "attest", transfer(7), kind="attest")
    issue = await enqueue(pool, token, "issue", mint(1), kind="issue")
    settle = await enqueue(pool, token, "settle", mint(2), kind="settle")
    forged = [await enqueue(pool, token, f"forged {n}", transfer(8), kind="deposit") for n in range(3)]
    deposit = await enqueue(pool, token, "deposit", mint(4), kind="deposit")
    async with running(Sender(pool, rpc, signer, 31_337, patient)):
        assert (await reach(pool, settle, "mined")).nonce == 0
        assert (await reach(pool, deposit, "mined")).nonce == 1
        await asyncio.sleep(0.3)
        assert [(await status(pool, row_id)).state for row_id in (attest, issue, *forged)] == ["queued"] * 5
        anvil.rpc("anvil_setStorageAt", funded(anvil, token, SENDER, 7))
        mined = [await reach(pool, row_id, "mined") for row_id in (attest, issue)]
    assert [row.nonce for row in mined] == [2, 3]
    assert balance(anvil, token) == 14


async def test_run__more_failing_than_may_be_in_flight__others_still_pass(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    patient = SendPolicy(poll_s=0.02, refuse_after_blocks=1_000, refuse_after_s=None, in_flight=2)
    for n in range(5):
        await enqueue(pool, token, f"forged {n}", transfer(8), kind="deposit")
    settle = await enqueue(pool, token, "settle", mint(2), kind="settle")
    async with running(Sender(pool, rpc, signer, 31_337, patient)):
        await reach(pool, settle, "mined")


async def test_run__busy_account__failing_row_is_refused_all_the_same(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    """Later transactions are always in flight; only those before it could still make it succeed."""
    anvil.rpc("evm_setAutomine", [False])
    policy = SendPolicy(poll_s=0.02, refuse_after_blocks=3, refuse_after_s=None)
    bad = await enqueue(pool, token, "bad", transfer(7), kind="attest")
    later = await enqueue(pool, token, "later", mint(1), kind="settle")
    async with running(Sender(pool, rpc, signer, 31_337, policy)):
        await reach(pool, later, "sent")
        anvil.rpc("anvil_dropAllTransactions")
        anvil.rpc("anvil_mine", ["0x3"])
        await reach(pool, bad, "failed", timeout_s=5)
        assert (await status(pool, later)).state == "sent"


async def test_run__depends_on_transaction_in_flight__waits_and_succeeds(
    pool: Pool, anvil: AnvilChain, token: bytes, sender: Sender
) -> None:
    anvil.rpc("evm_setAutomine", [False])
    first = await enqueue(pool, token, "first", mint(7, SENDER))
    second = await enqueue(pool, token, "second", encode_call("PaymentToken", "transfer", ACCOUNT, 7))
    async with running(sender):
        await reach(pool, first, "sent")
        await asyncio.sleep(0.3)
        assert (await status(pool, second)).state in ("queued", "sent")
        anvil.rpc("evm_mine")
        await reach(pool, second, "sent", "mined")
        anvil.rpc("evm_mine")
        await reach(pool, second, "mined")
    assert balance(anvil, token) == 7


async def test_run__reverted_on_chain__failed_with_reason_and_nonce(
    pool: Pool, anvil: AnvilChain, token: bytes, sender: Sender
) -> None:
    """Between simulation and block somebody else takes what the transaction needs."""
    anvil.rpc("evm_setAutomine", [False])
    async with running(sender):
        funded = await enqueue(pool, token, "fund", mint(7, SENDER))
        await reach(pool, funded, "sent")
        anvil.rpc("evm_mine")
        await reach(pool, funded, "mined")
        row_id = await enqueue(pool, token, "spend", encode_call("PaymentToken", "transfer", ACCOUNT, 7))
        await reach(pool, row_id, "sent")
        slot = storage_slot_of_balance(anvil, token, SENDER)
        anvil.rpc("anvil_setStorageAt", ["0x" + token.hex(), slot, "0x" + "00" * 32])
        anvil.rpc("evm_mine")
        failed = await reach(pool, row_id, "failed")
        assert failed.nonce == 1
        assert failed.block_number is not None
        assert failed.error is not None
        assert failed.error.startswith("ERC20InsufficientBalance")
        async with pool.acquire() as db:
            assert not await outbox.retry(db, row_id)
        anvil.rpc("anvil_mine", ["0x40"])
        fund = await enqueue(pool, token, "again", mint(7, SENDER))
        await reach(pool, fund, "sent")
        anvil.rpc("evm_mine")
        await until(lambda: retried(pool, row_id))
        await reach(pool, row_id, "sent")
        anvil.rpc("evm_mine")
        assert (await reach(pool, row_id, "mined")).nonce == 3
    assert balance(anvil, token) == 7


async def signed_again(pool: Pool, row_id: int, times: int) -> bool:
    return (await status(pool, row_id)).attempts >= times


async def landed(pool: Pool, anvil: AnvilChain, token: bytes, amount: int, row_ids: list[int]) -> bool:
    """Whether the chain has the effects and the outbox knows it."""
    states = [(await status(pool, row_id)).state for row_id in row_ids]
    return balance(anvil, token) == amount and set(states) == {"mined"}


async def retried(pool: Pool, row_id: int) -> bool:
    async with pool.acquire() as db:
        return await outbox.retry(db, row_id)


def transfer(amount: int) -> bytes:
    """Fails while the sender has less."""
    return encode_call("PaymentToken", "transfer", ACCOUNT, amount)


def funded(anvil: AnvilChain, token: bytes, account: bytes, amount: int) -> list[str]:
    """Arguments of anvil_setStorageAt that give an account a balance."""
    return ["0x" + token.hex(), storage_slot_of_balance(anvil, token, account), f"0x{amount:064x}"]


def storage_slot_of_balance(anvil: AnvilChain, token: bytes, account: bytes) -> str:
    """Where the token keeps the account's balance: the one slot that balanceOf reads."""
    data = "0x" + encode_call("PaymentToken", "balanceOf", account).hex()
    listed = anvil.rpc("eth_createAccessList", [{"to": "0x" + token.hex(), "data": data}, "latest"])["accessList"]
    (slot,) = next(entry for entry in listed if entry["address"] == "0x" + token.hex())["storageKeys"]
    return str(slot)


async def test_run__no_block_for_long__fee_raised_and_mined_once(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    anvil.rpc("evm_setAutomine", [False])
    hasty = SendPolicy(poll_s=0.02, resend_after_s=0.1, bump_after_s=0.3)
    row_id = await enqueue(pool, token, "a", mint(5))
    async with running(Sender(pool, rpc, signer, 31_337, hasty)):
        first = await reach(pool, row_id, "sent")
        await until(lambda: signed_again(pool, row_id, 3))
        anvil.rpc("evm_mine")
        mined = await reach(pool, row_id, "mined")
    assert mined.transaction_hash != first.transaction_hash
    assert mined.nonce == first.nonce == 0
    assert balance(anvil, token) == 5


async def test_run__raised_but_earlier_signing_mined__found_under_its_hash(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    anvil.rpc("evm_setAutomine", [False])
    row_id = await enqueue(pool, token, "a", mint(5))
    async with running(Sender(pool, rpc, signer, 31_337, SendPolicy(poll_s=0.02, bump_after_s=0.5))):
        first = await reach(pool, row_id, "sent")
        raw = await pool.fetchval("select raw_transaction from wallet.outbox where id = $1", row_id)
        await until(lambda: signed_again(pool, row_id, 2))
    anvil.rpc("anvil_dropAllTransactions")
    anvil.rpc("eth_sendRawTransaction", ["0x" + raw.hex()])
    anvil.rpc("evm_mine")
    async with running(Sender(pool, rpc, signer, 31_337, QUICK)):
        mined = await reach(pool, row_id, "mined")
    assert mined.transaction_hash == first.transaction_hash
    assert balance(anvil, token) == 5


async def test_run__node_forgot_the_transaction__sent_again_and_its_nonce_kept(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    """The next ones neither take its nonce nor fail for want of its effect."""
    anvil.rpc("evm_setAutomine", [False])
    forgotten = await enqueue(pool, token, "forgotten", mint(7, SENDER))
    policy = SendPolicy(poll_s=0.02, resend_after_s=1.5, refuse_after_s=0.1)
    async with running(Sender(pool, rpc, signer, 31_337, policy)):
        await reach(pool, forgotten, "sent")
        anvil.rpc("anvil_dropAllTransactions")
        other = await enqueue(pool, token, "other", mint(1))
        dependent = await enqueue(pool, token, "dependent", encode_call("PaymentToken", "transfer", ACCOUNT, 7))
        assert (await reach(pool, other, "sent")).nonce == 1
        await reach(pool, dependent, "sent", "failed")
        anvil.rpc("evm_mine")
        found = [await reach(pool, row_id, "mined") for row_id in (forgotten, other, dependent)]
    assert [row.nonce for row in found] == [0, 1, 2]
    assert balance(anvil, token) == 8


async def test_run__reorganised_away__sent_again_with_the_same_nonce(
    pool: Pool, anvil: AnvilChain, token: bytes, sender: Sender
) -> None:
    async with running(sender):
        ids = [await enqueue(pool, token, f"k{n}", mint(1)) for n in range(3)]
        before = [await reach(pool, row_id, "mined") for row_id in ids]
        anvil.rpc("anvil_reorg", [3, []])
        await until(lambda: landed(pool, anvil, token, 3, ids))
        after = [await status(pool, row_id) for row_id in ids]
    assert [row.nonce for row in after] == [row.nonce for row in before]
    assert [row.transaction_hash for row in after] == [row.transaction_hash for row in before]
    for row in after:
        receipt = anvil.rpc("eth_getTransactionReceipt", ["0x" + (row.transaction_hash or b"").hex()])
        assert int(receipt["blockNumber"], 16) == row.block_number


async def test_run__rolled_back_chain__sent_again(pool: Pool, anvil: AnvilChain, token: bytes, sender: Sender) -> None:
    async with running(sender):
        row_id = await enqueue(pool, token, "a", mint(1))
        await reach(pool, row_id, "mined")
        anvil.rpc("anvil_rollback", [1])
        await until(lambda: landed(pool, anvil, token, 1, [row_id]))


async def test_run__two_senders__one_writes_and_the_other_takes_over(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    first, second = (Sender(pool, rpc, signer, 31_337, QUICK) for _ in range(2))
    async with running(second):
        async with running(first):
            ids = [await enqueue(pool, token, f"k{n}", mint(1)) for n in range(10)]
            for row_id in ids:
                await reach(pool, row_id, "mined")
        late = await enqueue(pool, token, "late", mint(1))
        assert (await reach(pool, late, "mined")).nonce == 10
    assert balance(anvil, token) == 11


async def test_run__node_away__goes_on_when_it_is_back(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner
) -> None:
    flaky = FlakyRpc(rpc)
    row_id = await enqueue(pool, token, "a", mint(1))
    async with running(Sender(pool, flaky, signer, 31_337, QUICK)):
        await asyncio.sleep(0.3)
        assert (await status(pool, row_id)).state == "queued"
        flaky.away = False
        await reach(pool, row_id, "mined")


class FlakyRpc:
    """A node that is away until told otherwise."""

    def __init__(self, rpc: HttpRpc) -> None:
        self._rpc = rpc
        self._nowhere = HttpRpc(["http://127.0.0.1:9"])
        self.away = True

    async def call(self, method: str, *params: Any) -> Any:
        return await (self._nowhere if self.away else self._rpc).call(method, *params)

    async def batch(self, calls: Any) -> list[Any]:
        return await (self._nowhere if self.away else self._rpc).batch(calls)


class Crash(BaseException):
    """The process died."""


class Fuse:
    """Lets a number of steps happen, and dies after the last of them, before its result is seen."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    async def step(self, action: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        if self.left <= 0:
            raise Crash
        result = await action(*args)
        self.left -= 1
        if self.left == 0:
            raise Crash
        return result


class FusedRpc:
    """A node behind a fuse."""

    def __init__(self, rpc: HttpRpc, fuse: Fuse) -> None:
        self._rpc, self._fuse = rpc, fuse

    async def call(self, method: str, *params: Any) -> Any:
        return await self._fuse.step(self._rpc.call, method, *params)

    async def batch(self, calls: Any) -> Any:
        return await self._fuse.step(self._rpc.batch, calls)


class FusedConnection:
    """A database connection behind a fuse."""

    def __init__(self, connection: Any, fuse: Fuse) -> None:
        self._connection, self._fuse = connection, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._connection, name)
        if name not in ("execute", "fetch", "fetchrow", "fetchval"):
            return method
        return lambda *args: self._fuse.step(method, *args)


class FusedPool:
    """A pool whose connections are behind a fuse and die with it."""

    def __init__(self, database_url: str, fuse: Fuse) -> None:
        self._url, self._fuse = database_url, fuse

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(self._url)
        try:
            yield FusedConnection(connection, self._fuse)
        finally:
            connection.terminate()


async def test_run__crash_after_every_step__each_effect_once(
    pool: Pool, anvil: AnvilChain, token: bytes, rpc: HttpRpc, signer: KeyFileSigner, database_url: str
) -> None:
    """Three transactions, the last one refused; the process dies after step 1, 2, 3 … until a run needs no more."""
    steps = 0
    for steps in itertools.count(1):
        amount = balance(anvil, token)
        first = await enqueue(pool, token, f"a{steps}", mint(1))
        second = await enqueue(pool, token, f"b{steps}", mint(2))
        refused = await enqueue(pool, token, f"c{steps}", encode_call("PaymentToken", "transfer", ACCOUNT, 1))
        fuse = Fuse(steps)
        doomed = Sender(FusedPool(database_url, fuse), FusedRpc(rpc, fuse), signer, 31_337, QUICK)  # type: ignore[arg-type]
        task = asyncio.create_task(doomed.run())
        done = asyncio.create_task(settled(pool, first, second, refused))
        await asyncio.wait([task, done], return_when=asyncio.FIRST_COMPLETED)
        survived = done.done() and not task.done()
        task.cancel()
        with pytest.raises((Crash, asyncio.CancelledError)):
            await task
        async with running(Sender(pool, rpc, signer, 31_337, QUICK)):
            await done
        assert balance(anvil, token) == amount + 3, f"crash after step {steps}"
        assert (await status(pool, refused)).state == "failed"
        if survived:
            break
    assert steps > 15
    nonces = await pool.fetch("select nonce from wallet.outbox where nonce is not null order by nonce")
    assert [row["nonce"] for row in nonces] == list(range(2 * steps))
    assert int(anvil.rpc("eth_getTransactionCount", ["0x" + SENDER.hex(), "latest"]), 16) == 2 * steps


async def settled(pool: Pool, *row_ids: int) -> None:
    for row_id in row_ids:
        await reach(pool, row_id, "mined", "final", "failed", timeout_s=20)
