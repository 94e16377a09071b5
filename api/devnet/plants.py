"""The community's plants as assets: entered with a paper, tokenised, half of their fractions on sale.

What the owner does by himself (putting fractions on sale) his wallet sends; here that is his key of this run, given
gas by anvil. On a chain that is not ours the fractions stay unsold until the owner offers them.
"""

from collections.abc import Sequence
from typing import Any, Final

from eth_account import Account

from api.client import Client, assets
from api.client.assets import Asset
from api.devnet.community import Member
from api.devnet.enrol import market_now, wait_until
from api.devnet.keys import KeyRing
from api.devnet.steerer import ChainControl
from contracts.abi import encode_call

SUPPLY: Final = 10_000
PRICE: Final = 25_000_000
"""25 of the payment token for one fraction."""
UNFINISHED: Final = frozenset({"pending", "tokenising"})
SALE_S: Final = 365 * 86_400
GAS: Final = 150_000
FEE: Final = 10**10


async def list_plants(client: Client, people: Sequence[Member], keys: KeyRing, control: ChainControl | None) -> int:
    """Makes assets of the plants that are none yet, as the operator; returns how many were made.

    An earlier run may have ended between any two of the steps: each is done for every plant that still lacks it.
    """
    plants = {member.name: member for member in people if member.kind == "plant"}

    async def own() -> dict[str, Asset]:
        return {asset.plant_id: asset for asset in await assets.assets(client) if asset.plant_id in plants}

    known = await own()
    made = [await _enter(client, member, keys) for name, member in plants.items() if name not in known]
    for asset in [*known.values(), *made]:
        if asset.status in UNFINISHED:
            await _tokenise(client, asset, plants[asset.plant_id])

    async def active() -> bool:
        return not any(asset.status in UNFINISHED for asset in (await own()).values())

    await wait_until("the plants' tokens", active)
    if control is not None:
        until = int((await market_now(client)).timestamp()) + SALE_S
        chain_id = (await client.contracts()).chain_id
        for asset in (await own()).values():
            if asset.token is not None and asset.status == "active" and asset.offer_fractions == "0":
                await _offer(control, chain_id, keys.key(asset.plant_id), asset, until)
    return len(made)


async def _enter(client: Client, member: Member, keys: KeyRing) -> Asset:
    number = member.series + 1
    return await assets.register(
        client, keys.address(member.name), member.name, f"Solar plant {number}", f"SUN{number}", SUPPLY
    )


async def _tokenise(client: Client, asset: Asset, member: Member) -> None:
    """Puts the plant's paper up, unless its token was asked for with the papers as they were, and asks for it."""
    number = member.series + 1
    text = f"Solar plant {number} of the development community, read by meter {member.meter_id}.\n"
    if asset.status == "pending":
        await assets.put_paper(client, asset.id, "technical/specifications.txt", text.encode())
    await client.wait_mined((await assets.tokenise(client, asset.id)).outbox_id, timeout_s=120.0)


async def _offer(control: ChainControl, chain_id: int, key: bytes, asset: Asset, until: int) -> None:
    owner = Account.from_key(key)
    await control.call("anvil_setBalance", owner.address, hex(10**18))
    nonce = int(await control.call("eth_getTransactionCount", owner.address, "latest"), 16)
    transaction: dict[str, Any] = {
        "to": asset.token,
        "data": encode_call("AssetToken", "setOffer", PRICE, SUPPLY // 2, until),
        "chainId": chain_id,
        "nonce": nonce,
        "gas": GAS,
        "maxFeePerGas": FEE,
        "maxPriorityFeePerGas": 0,
        "type": 2,
    }
    sent = await control.call(
        "eth_sendRawTransaction", "0x" + owner.sign_transaction(transaction).raw_transaction.hex()
    )

    async def mined() -> bool:
        return await control.call("eth_getTransactionReceipt", sent) is not None

    await wait_until(f"the offer of {asset.name}", mined)
