from datetime import UTC, datetime, timedelta
import pytest
from api.client import OrderTerms, ApiProblem
from contracts.typed_data import address_of
from tests.integration.api.conftest import *

async def test_all(market):
    T = datetime.fromtimestamp(NOW_S - NOW_S % 900 + 1800, UTC)
    async with market.client(OPERATOR_KEY) as op, market.client(ALICE_KEY) as alice:
        assert await op.ready()
        print(await op.status())
        print(await op.sign_in())
        s = await alice.sign_in()
        print(await op.register(alice.account, roles=["producer","consumer"], kyc_until=T+timedelta(days=3), country=276))
        print(await op.register_meter(7, owner=alice.account, kind="home", zone=1, driver="http", device="push", address="-", key=address_of(METER_KEY), fuse_w=20000))
        a = await alice.faucet(5_000_000)
        print(await alice.transaction(a.outbox_id))
        d = await alice.deposit(4_000_000)
        print(await alice.transaction(d.outbox_id))
        print(await alice.permit(5))
        print(await alice.set_mandate(budget_per_slot=1000000,budget=10000000,expiry=T+timedelta(days=30),nonce=1))
        print(await alice.meters())
        await clear_account(market, ALICE_KEY, meter_id=8)
        print(await alice.balances())
        print(await alice.participant())
        o = await alice.post_order(OrderTerms(1, T, "buy", 1000, 300000, nonce=1))
        print(o)
        print(await alice.balances())
        print(await alice.orders())
        print(await alice.slots())
        print(await alice.order(o.order_id))
        print(await alice.cancel_order(o.order_id))
        print(await alice.trades(), await alice.settlements())
        print(await alice.meter_energy(7, T, T+timedelta(hours=1)))
        for p in ("/v1/markets","/v1/markets/1/book?delivery_start="+T.strftime("%Y-%m-%dT%H:%M:%SZ"),"/v1/markets/1/auctions","/v1/settlements","/v1/audit/slots","/v1/ledger/blocks","/v1/ledger/events","/v1/ledger/accounts/"+alice.address,"/v1/errors","/v1/version","/v1/health","/v1/auth/session","/v1/openapi.json","/v1/nothing","/v1/settlements/1/2026-01-01T00:00:00Z"):
            r = await market.http(s.session_token).get(p)
            print(p, r.status_code, r.text[:500])
        n = 0
        async for m in alice.stream("blocks"):
            print(m); break
