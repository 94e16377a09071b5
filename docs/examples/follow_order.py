"""Signs in, places an order, cancels it, places another and follows it: the generated client and eth-account.

python follow_order.py URL KEY_FILE
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from gridtrace_client import AuthenticatedClient, Client
from gridtrace_client.api.auth import nonce, verify
from gridtrace_client.api.contracts import contracts
from gridtrace_client.api.markets import slots
from gridtrace_client.api.orders import cancel_order, order, post_order
from gridtrace_client.models import Contracts, PostOrderNewOrder, PostOrderNewOrderSide, Problem, SignIn, Slot

T = TypeVar("T")
FIELDS = (
    "address trader, uint32 zone, uint64 deliveryStart, uint8 side, uint48 energyWh, int48 limitPricePerKwh, "
    "uint48 minFillWh, uint8 timeInForce, uint8 source, uint32 expiry, uint16 lane, uint48 nonce"
)
LANE = 9


def told(answer: T | Problem | None) -> T:
    """The answer, or the problem as an error."""
    if answer is None or isinstance(answer, Problem):
        raise SystemExit(f"{answer.code}: {answer.detail}" if answer else "no answer")
    return answer


def sign_in(url: str, account: LocalAccount) -> AuthenticatedClient:
    client = Client(base_url=url)  # keeps the cookie that the nonce is bound to
    asked = told(nonce.sync(client=client))
    issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = (
        f"{asked.domain} wants you to sign in with your Ethereum account:\n{account.address}\n\nSign in.\n\n"
        f"URI: {asked.uri}\nVersion: 1\nChain ID: {asked.chain_id}\nNonce: {asked.nonce}\nIssued At: {issued}"
    )
    signature = account.sign_message(encode_defunct(text=message)).signature.hex()
    session = told(verify.sync(client=client, body=SignIn(message, "0x" + signature)))
    return AuthenticatedClient(base_url=url, token=session.session_token)


def signed(account: LocalAccount, deployed: Contracts, slot: Slot, number: int) -> PostOrderNewOrder:
    start, domain = slot.delivery_start, deployed.exchange_domain
    expiry = start + timedelta(days=1)
    values = {
        "trader": account.address, "zone": slot.zone, "deliveryStart": int(start.timestamp()), "side": 0,
        "energyWh": 100, "limitPricePerKwh": 400_000, "minFillWh": 0, "timeInForce": 0, "source": 0,
        "expiry": int(expiry.timestamp()), "lane": LANE, "nonce": number,
    }  # fmt: skip
    types = {"Order": [dict(zip(("type", "name"), part.split(), strict=True)) for part in FIELDS.split(", ")]}
    where = {
        "name": domain.name, "version": domain.version, "chainId": domain.chain_id,
        "verifyingContract": domain.verifying_contract,
    }  # fmt: skip
    signature = account.sign_message(encode_typed_data(where, types, values)).signature.hex()
    return PostOrderNewOrder(
        trader=account.address, zone=slot.zone, delivery_start=start, side=PostOrderNewOrderSide.BUY, energy_wh="100",
        limit_price_per_kwh="400000", expiry=expiry, lane=LANE, nonce=str(number), signature="0x" + signature,
    )  # fmt: skip


def main(url: str, key_file: str) -> None:
    account = Account.from_key(Path(key_file).read_text().strip())
    client = sign_in(url, account)
    deployed = told(contracts.sync(client=client))
    slot = [slot for slot in told(slots.sync(1, client=client)).items if slot.state == "open"][-1]
    number = int(time.time())
    first = told(post_order.sync(client=client, body=signed(account, deployed, slot, number)))
    print(f"placed     {first.order_id} for {slot.delivery_start:%H:%M}: {first.status}")
    gone = told(cancel_order.sync(first.order_id, client=client))
    print(f"cancelled  {gone.order_id}: {gone.status}")
    second = told(post_order.sync(client=client, body=signed(account, deployed, slot, number + 1)))
    print(f"placed     {second.order_id}: {second.status}")
    now = second
    while now.status == "open":
        time.sleep(1)
        now = told(order.sync(second.order_id, client=client))
    print(f"{now.status:10} {now.order_id}: {now.matched_wh} Wh of {now.energy_wh}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
