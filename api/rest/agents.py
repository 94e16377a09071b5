"""Agents of an account: made and ended by it, and what they prepare for it to sign."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.auth import Forbidden
from api.deps import InPerson, Reader, SignedIn, Site, Writer, by_signature, changing
from api.rest.fields import Address, Answer, Hash, Instant, Natural, Request, Second, Signature, Whole, seconds
from api.rest.order_fields import SIDES, SOURCES, TIMES_IN_FORCE, Side, Source, TimeInForce, Uint16, Uint32
from contracts.agent_grant import AgentGrant
from contracts.typed_data import Order
from node import agents

router = APIRouter(tags=["agents"])

Uint48 = Annotated[Natural, Field(lt=1 << 48)]
Int48 = Annotated[Whole, Field(ge=-(1 << 47), lt=1 << 47)]


class NewAgent(Request):
    """EIP-712 ``AgentGrant`` in the exchange's domain, signed by the account. Takes the place of an earlier one with a
    lower nonce."""

    account: Address
    agent: Address
    zones: Annotated[list[Uint32], Field(min_length=1, max_length=100)]
    max_wh_per_slot: Annotated[Natural, Field(lt=1 << 32)]
    max_buy_price_per_kwh: Int48
    min_sell_price_per_kwh: Int48
    expiry: Second
    nonce: Uint48
    signature: Signature


class Agent(Answer):
    account: Address
    agent: Address
    zones: list[int]
    max_wh_per_slot: Natural
    max_buy_price_per_kwh: Whole
    min_sell_price_per_kwh: Whole
    expiry: Second
    nonce: Natural


class Agents(Answer):
    items: list[Agent]


class Terms(Request):
    """Every field of the EIP-712 struct ``Order``, for the account to sign."""

    trader: Address
    zone: Uint32
    delivery_start: Second
    side: Side
    energy_wh: Annotated[Uint48, Field(gt=0)]
    limit_price_per_kwh: Int48
    min_fill_wh: Uint48 = 0
    time_in_force: TimeInForce = "good_till_gate"
    source: Source = "any"
    expiry: Second
    lane: Uint16
    nonce: Uint48

    def order(self) -> Order:
        """The struct that is signed."""
        words: dict[str, Any] = {
            "delivery_start": seconds(self.delivery_start),
            "side": SIDES.index(self.side),
            "time_in_force": TIMES_IN_FORCE.index(self.time_in_force),
            "source": SOURCES.index(self.source),
            "expiry": seconds(self.expiry),
        }
        return Order(**{**dict(self), **words})


class PreparedOrder(Answer):
    """Sign ``order_id``, the digest of ``terms``, and post both as an order."""

    order_id: Hash
    agent: Address
    terms: Terms
    prepared_at: Instant


class PreparedOrders(Answer):
    items: list[PreparedOrder]


def _answer(grant: AgentGrant) -> Agent:
    return Agent.model_validate(grant, from_attributes=True)


@router.post("/v1/agents", status_code=201, dependencies=[Depends(by_signature)])
async def authorise(body: NewAgent, site: Site) -> Agent:
    """Makes a wallet the account's agent, within the limits that the account has signed. The same again changes
    nothing."""
    fields = {**dict(body), "zones": tuple(body.zones), "expiry": seconds(body.expiry)}
    signature = fields.pop("signature")
    grant = AgentGrant(**fields)
    # The signature is the account's word: whoever brings it, it is the account that changes.
    async with changing(site, None, account=grant.account) as db:
        await agents.authorise(db, site.chain.domain, grant, signature, site.clock.now_s())
    return Agent.model_validate({**dict(body)})


@router.get("/v1/agents")
async def mine(caller: SignedIn, db: Reader, site: Site) -> Agents:
    """One's agents."""
    return Agents(items=[_answer(grant) for grant in await agents.agents(db, caller.account, site.clock.now_s())])


@router.get("/v1/agents/accounts")
async def principals(caller: SignedIn, db: Reader, site: Site) -> Agents:
    """Accounts that one acts for, by naming them in the header ``Gridtrace-Account``."""
    wallet = caller.agent or caller.account
    return Agents(items=[_answer(grant) for grant in await agents.principals(db, wallet, site.clock.now_s())])


@router.delete("/v1/agents/{agent}", status_code=204)
async def revoke(agent: Address, caller: InPerson, db: Writer) -> None:
    """Ends an agent's power at once, and withdraws what it has prepared."""
    await agents.revoke(db, caller.account, agent)


@router.post("/v1/prepared-orders", status_code=201)
async def prepare(body: Terms, caller: SignedIn, db: Writer, site: Site, response: Response) -> PreparedOrder:
    """An agent proposes an order within its limits; it trades once the account has signed and posted it."""
    now_s = site.clock.now_s()
    grant = None if caller.agent is None else await agents.in_force(db, caller.account, caller.agent, now_s)
    if grant is None or caller.agent is None:
        raise Forbidden("agents prepare orders: name the account in the header Gridtrace-Account")
    terms = body.model_dump(mode="json")
    digest = await agents.prepare(db, site.chain.domain, grant, body.order(), terms, now_s)
    return PreparedOrder(order_id=digest, agent=caller.agent, terms=body, prepared_at=site.clock.now())


@router.get("/v1/prepared-orders")
async def prepared(caller: SignedIn, db: Reader, site: Site) -> PreparedOrders:
    """What the account's agents propose and it has not signed, the next slots first."""
    found = await agents.prepared(db, caller.account, site.clock.now_s())
    return PreparedOrders(
        items=[
            PreparedOrder(
                order_id=item.digest,
                agent=item.agent,
                terms=Terms.model_validate(item.terms),
                prepared_at=item.prepared_at,
            )
            for item in found
        ]
    )


@router.delete("/v1/prepared-orders/{order_id}", status_code=204)
async def withdraw(order_id: Hash, caller: SignedIn, db: Writer) -> None:
    """Takes a proposal back: by the account or an agent of its."""
    await agents.withdraw(db, caller.account, order_id)
