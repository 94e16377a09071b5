"""The public API as a participant uses it, with his own key."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from api.client import results
from api.client.problem import ApiProblem, ApiUnreachable
from api.client.signing import OrderTerms, rfc3339, sign_in_body, sign_mandate, sign_order, sign_permit
from api.client.transport import Transport, as_list
from contracts import typed_data
from contracts.typed_data import checksum

T = TypeVar("T")

OPEN_STATES: Final = frozenset({"queued", "signed", "sent"})
RECONNECT_S: Final = 0.5


class Client:
    """One participant's connection to the API; use it as an async context manager.

    Knows the API's address and a private key (32 bytes). Reads the clock only for the sign-in message.
    """

    def __init__(
        self,
        base_url: str,
        private_key: bytes,
        *,
        timeout_s: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.account: Final = typed_data.address_of(private_key)
        self.address: Final = checksum(self.account)
        self._key = private_key
        self._api = Transport(base_url, timeout_s=timeout_s, transport=transport)
        self._contracts: results.Contracts | None = None

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Gives the connections back."""
        await self._api.close()

    async def call(self, method: str, path: str, result: type[T], **options: Any) -> T:
        """Any other call of the API; ``options`` as ``Transport.call`` takes them."""
        return await self._api.call(method, path, result, **options)

    # Who we are and what is deployed

    async def sign_in(self) -> results.Session:
        """Opens a session with the account's key (EIP-4361); later calls use it."""
        contracts = await self.contracts()
        nonce = await self._api.call("POST", "/v1/auth/nonce", _NonceAnswer)
        body = sign_in_body(
            nonce.domain or urlsplit(self._api.base_url).netloc,
            nonce.uri or self._api.base_url,
            contracts.chain_id,
            nonce.nonce,
            self._key,
            datetime.now(UTC),
        )
        session = await self._api.call("POST", "/v1/auth/verify", results.Session, body=body, repeatable=False)
        self._api.authorise(session.session_token)
        return session

    async def contracts(self) -> results.Contracts:
        """The deployed contracts and signing domains; asked once."""
        if self._contracts is None:
            self._contracts = await self._api.call("GET", "/v1/contracts", results.Contracts)
        return self._contracts

    async def status(self) -> results.Status:
        """Market time, rules, how far the chain is indexed, audit differences."""
        return await self._api.call("GET", "/v1/status", results.Status)

    async def ready(self) -> bool:
        """Whether the API answers and says it is ready; asks once."""
        try:
            answer = await self._api.call("GET", "/v1/ready", dict[str, Any], repeatable=False)
        except (ApiUnreachable, ApiProblem):
            return False
        return answer.get("status") == "ready"

    # Taking part

    async def register(
        self, account: bytes, *, roles: Sequence[str], kyc_until: datetime, country: int, request_id: str | None = None
    ) -> results.Accepted:
        """Clears an account for trading; the same ``request_id`` does it once. Operators only."""
        body = {
            "account": checksum(account),
            "roles": list(roles),
            "kyc_until": rfc3339(kyc_until),
            "country": country,
        }
        return await self._request("/v1/participants", body, request_id)

    async def participant(self, account: bytes | None = None) -> results.Participant:
        """What the chain knows of an account's clearance."""
        return await self._api.call("GET", f"/v1/participants/{self._of(account)}", results.Participant)

    async def register_meter(
        self,
        meter_id: int,
        *,
        owner: bytes,
        kind: str,
        zone: int,
        driver: str,
        device: str,
        address: str,
        key: bytes,
        fuse_w: int,
        plant_id: str | None = None,
        request_id: str | None = None,
    ) -> results.Accepted:
        """Takes a meter into service; ``key`` is the address that signs its readings. Operators only."""
        body = {
            "meter_id": meter_id,
            "owner": checksum(owner),
            "kind": kind,
            "plant_id": plant_id,
            "zone": zone,
            "driver": driver,
            "device": device,
            "address": address,
            "key": checksum(key),
            "fuse_w": str(fuse_w),
        }
        return await self._request("/v1/meters", body, request_id)

    async def meters(self, owner: bytes | None = None) -> list[results.Meter]:
        """The meters of an account: one's own where none is named."""
        return as_list(await self._items("/v1/meters", {"owner": self._of(owner)}), results.Meter)

    async def meter_faults(self, meter_id: int) -> list[results.MeterFault]:
        """What is or was wrong with a meter, the open faults first. Owner or operators only."""
        return as_list(await self._items(f"/v1/meters/{meter_id}/faults", {}), results.MeterFault)

    async def meter_keys(self, meter_id: int) -> list[results.MeterKey]:
        """The key that signs for a meter, and those that did. Owner or operators only."""
        return as_list(await self._items(f"/v1/meters/{meter_id}/keys", {}), results.MeterKey)

    async def rotate_meter_key(self, meter_id: int, key: str) -> results.RotatedKey:
        """Lets another key sign for one of our meters, and the former one never again."""
        return await self._api.call("POST", f"/v1/meters/{meter_id}/keys", results.RotatedKey, body={"key": key})

    async def revoke_meter_key(self, meter_id: int, key: str) -> None:
        """Lets nobody sign for one of our meters until it has another key."""
        await self._api.call("DELETE", f"/v1/meters/{meter_id}/keys/{key}", type(None))

    async def confirm_replacement(self, meter_id: int, serial: str) -> results.Baseline:
        """Confirms that the device with this serial number has taken a meter's place. Operators only."""
        path = f"/v1/meters/{meter_id}/replacements"
        return await self._api.call("POST", path, results.Baseline, body={"serial": serial}, repeatable=False)

    async def meter_energy(self, meter_id: int, start: datetime, end: datetime) -> list[results.SlotEnergy]:
        """Energy of each delivery slot that starts in ``[start, end)``. Owner or operators only."""
        query = {"start": rfc3339(start), "end": rfc3339(end)}
        return as_list(await self._items(f"/v1/meters/{meter_id}/energy", query), results.SlotEnergy)

    async def send_readings(self, readings: Sequence[tuple[typed_data.Reading, bytes]]) -> list[results.ReadingResult]:
        """Hands in readings with their signatures; one result each, in order."""
        body = {"readings": [_reading_body(reading, signature) for reading, signature in readings]}
        answer = await self._api.call("POST", "/v1/readings:batch", _ReadingsAnswer, body=body)
        return answer.results

    # Money

    async def faucet(
        self, amount: int, account: bytes | None = None, *, request_id: str | None = None
    ) -> results.Accepted:
        """Devnet money (cash units) into an account's wallet; the same ``request_id`` pays once."""
        body = {"account": self._of(account), "amount": str(amount)}
        return await self._request("/v1/faucet", body, request_id)

    async def permit(self, amount: int) -> results.Permit:
        """What must be signed to deposit ``amount`` cash units."""
        query = {"account": self.address, "amount": str(amount)}
        return await self._api.call("GET", "/v1/deposits/permit", results.Permit, query=query)

    async def deposit(self, amount: int) -> results.Accepted:
        """Moves ``amount`` cash units from the wallet into the vault, by a signed permit."""
        body = sign_permit(await self.permit(amount), self._key)
        return await self._api.call("POST", "/v1/deposits", results.Accepted, body=body)

    async def set_mandate(self, *, budget_per_slot: int, budget: int, expiry: datetime, nonce: int) -> results.Accepted:
        """Allows imbalance to be charged up to the budgets (cash units) until ``expiry``."""
        mandate = typed_data.Mandate(self.account, budget_per_slot, budget, int(expiry.timestamp()), nonce)
        body = sign_mandate(await self.contracts(), self._key, mandate)
        return await self._api.call("POST", "/v1/mandates", results.Accepted, body=body)

    async def balances(self, account: bytes | None = None) -> results.Balances:
        """The vault account: cash, energy, what open orders lock, the mandate."""
        return await self._api.call("GET", f"/v1/balances/{self._of(account)}", results.Balances)

    async def transaction(self, outbox_id: int) -> results.Transaction:
        """How far one of our chain transactions is."""
        return await self._api.call("GET", f"/v1/transactions/{outbox_id}", results.Transaction)

    async def wait_mined(self, outbox_id: int, *, timeout_s: float = 60.0) -> results.Transaction:
        """Returns once the transaction is mined, final or failed. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = await self.transaction(outbox_id)
                if found.state not in OPEN_STATES:
                    return found
                await asyncio.sleep(0.2)

    # Trading

    async def slots(self, zone: int = 1) -> list[results.Slot]:
        """Upcoming and recent delivery slots, the earliest first."""
        return as_list(await self._items(f"/v1/markets/{zone}/slots", {}), results.Slot)

    async def post_order(self, terms: OrderTerms) -> results.Order:
        """Signs and sends an order; the same order again changes nothing and returns it."""
        body = sign_order(await self.contracts(), self._key, terms)
        return await self._api.call("POST", "/v1/orders", results.Order, body=body)

    async def post_orders(self, terms: Sequence[OrderTerms]) -> list[results.OrderResult]:
        """Signs and sends up to 100 orders; one result each, in order."""
        contracts = await self.contracts()
        body = {"orders": [sign_order(contracts, self._key, one) for one in terms]}
        return (await self._api.call("POST", "/v1/orders:batch", results.OrderResults, body=body)).results

    async def replace_order(self, order_id: str, terms: OrderTerms) -> results.Order:
        """Puts an order in the place of an open one of the same slot, side and lane: both change, or neither."""
        body = sign_order(await self.contracts(), self._key, terms) | {"replaces": order_id}
        return await self._api.call("POST", "/v1/orders", results.Order, body=body)

    async def cancel_orders(
        self, order_ids: Sequence[str] | None = None, *, zone: int | None = None, delivery_start: datetime | None = None
    ) -> list[results.CancelResult]:
        """Takes back the named orders, or all open ones: of a zone, of a slot, or everywhere."""
        body: dict[str, Any] = {"zone": zone, "delivery_start": delivery_start and rfc3339(delivery_start)}
        if order_ids is not None:
            body = {"order_ids": list(order_ids)}
        return (await self._api.call("POST", "/v1/orders:cancel", results.CancelResults, body=body)).results

    async def candles(
        self, zone: int = 1, interval: str = "slot", delivery_start: datetime | None = None
    ) -> list[results.Candle]:
        """The last candles of a zone by delivery (slot, hour, day), or of a slot by execution (1m, 5m, 15m, 1h)."""
        query = {"interval": interval, "delivery_start": rfc3339(delivery_start) if delivery_start else None}
        return as_list(await self._items(f"/v1/markets/{zone}/candles", query), results.Candle)

    async def statistics(self, zone: int = 1) -> list[results.Day]:
        """Each day of delivery: volume, prices, participants, self-sufficiency."""
        return as_list(await self._items(f"/v1/markets/{zone}/statistics", {}), results.Day)

    async def cancel_order(self, order_id: str) -> results.Order:
        """Takes back one of our open orders."""
        return await self._api.call("DELETE", f"/v1/orders/{order_id}", results.Order)

    async def order(self, order_id: str) -> results.Order:
        """One order: ours at any time, others' once their gate has closed."""
        return await self._api.call("GET", f"/v1/orders/{order_id}", results.Order)

    async def orders(
        self, status: str | None = None, *, delivery_start: datetime | None = None, limit: int = 100
    ) -> list[results.Order]:
        """Our newest orders first; of one slot where it is given."""
        start = None if delivery_start is None else rfc3339(delivery_start)
        query = {"account": self.address, "status": status, "delivery_start": start, "limit": str(limit)}
        return as_list(await self._items("/v1/orders", query), results.Order)

    async def trades(
        self, zone: int = 1, delivery_start: datetime | None = None, *, limit: int = 100
    ) -> list[results.Trade]:
        """The newest trades of a zone, or those of one slot."""
        query = {"delivery_start": rfc3339(delivery_start) if delivery_start else None, "limit": str(limit)}
        return as_list(await self._items(f"/v1/markets/{zone}/trades", query), results.Trade)

    async def settlements(self, *, limit: int = 100) -> list[results.Settlement]:
        """The newest settlements."""
        return as_list(await self._items("/v1/settlements", {"limit": str(limit)}), results.Settlement)

    async def page(self, path: str, query: Mapping[str, str | None] | None = None) -> results.Page:
        """One page of any list of the API."""
        return await self._api.call("GET", path, results.Page, query=query)

    async def stream(self, *channels: str) -> AsyncIterator[results.StreamMessage]:
        """Endless news of the channels; connects again by itself when the API restarts."""
        while True:
            try:
                async with self._api.lines("/v1/stream", {"channels": ",".join(channels)}) as lines:
                    async for line in lines:
                        if line.startswith("data:"):
                            yield msgspec.json.decode(line[5:], type=results.StreamMessage)
            except ApiUnreachable:
                await asyncio.sleep(RECONNECT_S)

    async def _request(self, path: str, body: dict[str, Any], request_id: str | None) -> results.Accepted:
        """A request that the server does once per ``request_id``, and can therefore be repeated."""
        headers = {"Idempotency-Key": request_id or secrets.token_hex(16)}
        return await self._api.call("POST", path, results.Accepted, body=body, headers=headers)

    def _of(self, account: bytes | None) -> str:
        return self.address if account is None else checksum(account)

    async def _items(self, path: str, query: Mapping[str, str | None]) -> list[dict[str, Any]]:
        return (await self.page(path, query)).items


class _NonceAnswer(msgspec.Struct):
    nonce: str
    domain: str = ""
    uri: str = ""


class _ReadingsAnswer(msgspec.Struct):
    results: list[results.ReadingResult]


def _reading_body(reading: typed_data.Reading, signature: bytes) -> dict[str, Any]:
    return {
        "meter_id": reading.meter_id,
        "time": rfc3339(datetime.fromtimestamp(reading.time, UTC)),
        "counter": str(reading.counter),
        "import_wh": str(reading.import_wh),
        "export_wh": str(reading.export_wh),
        "power_w": str(reading.power_w),
        "signature": "0x" + signature.hex(),
    }
