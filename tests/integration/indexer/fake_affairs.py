"""Stakes, deals, certificates, credits and votes of a chain in memory: the events, and what the contracts would say."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

Made = tuple[str, dict[str, Any]]
POOLS = (0, 1)
CODES = (1, 2, 3, 2**200)
VINTAGES = (5, 2**70)
PROPOSALS = (7, 2**255)


@dataclass
class Position:
    amount: int
    start: int
    paid_until: int
    unlock_at: int


@dataclass
class Deal:
    payer: bytes
    payee: bytes
    amount: int
    state: str
    since: int
    share: int = 0
    payer_paid: bool = False
    payee_paid: bool = False


@dataclass
class Affairs:
    """State by the contracts' own rules."""

    now: int = 0
    pools: dict[int, bool] = field(default_factory=dict)
    positions: dict[tuple[int, bytes], Position] = field(default_factory=dict)
    deals: dict[bytes, Deal] = field(default_factory=dict)
    certificates: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    credits: dict[int, tuple[int, int]] = field(default_factory=dict)
    proposals: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Step, and weight in favour."""
    pending: list[Made] = field(default_factory=list)
    """What the same transaction emits next."""

    def copy(self) -> "Affairs":
        return Affairs(
            self.now,
            dict(self.pools),
            {key: Position(p.amount, p.start, p.paid_until, p.unlock_at) for key, p in self.positions.items()},
            {
                key: Deal(d.payer, d.payee, d.amount, d.state, d.since, d.share, d.payer_paid, d.payee_paid)
                for key, d in self.deals.items()
            },
            dict(self.certificates),
            dict(self.credits),
            dict(self.proposals),
            list(self.pending),
        )

    def event(self, random: Random, accounts: tuple[bytes, ...]) -> Made:
        made = random.choice((self._pool, self._stake, self._stake, self._deal, self._deal, self._certificate,
                              self._credit, self._proposal, self._vote))  # fmt: skip
        return made(random, random.choice(accounts), accounts)

    def _pool(self, random: Random, account: bytes, _: tuple[bytes, ...]) -> Made:
        pool = random.choice(POOLS)
        if pool not in self.pools:
            self.pools[pool] = True
            terms = {"apy_bps": 500, "lock_seconds": 9, "min_stake": 1, "cap": 10**20}
            return "staking_pools_pool_added", {"pool_id": pool, **terms}
        if random.random() < 0.5:
            self.pools[pool] = random.random() < 0.5
            return "staking_pools_pool_open_set", {"pool_id": pool, "open": self.pools[pool]}
        name, party = random.choice((("funded", "from"), ("defunded", "to")))
        return f"staking_pools_pool_{name}", {"pool_id": pool, party: _text(account), "amount": random.randint(1, 9)}

    def _stake(self, random: Random, account: bytes, accounts: tuple[bytes, ...]) -> Made:
        pool = random.choice(POOLS)
        if pool not in self.pools:
            return self._pool(random, account, accounts)
        who, key = {"pool_id": pool, "account": _text(account)}, (pool, account)
        position = self.positions.get(key)
        if position is None or random.random() < 0.3:
            amount, compounded = random.randint(1, 10**18), random.randint(0, 3) if position else 0
            staked = (position.amount if position else 0) + amount + compounded
            self.positions[key] = now = Position(staked, self.now - 2, self.now - 1, self.now + 9)
            times = {"start": now.start, "paid_until": now.paid_until, "unlock_at": now.unlock_at}
            return "staking_pools_staked", {**who, "amount": amount, "compounded": compounded, **times}
        if random.random() < 0.3:
            del self.positions[key]
            values = {"amount": position.amount, "returned": 1, "released": 2}
            return "staking_pools_emergency_exited", {**who, **values}
        if self.now >= position.unlock_at and random.random() < 0.6:
            amount = random.choice((position.amount, max(1, position.amount // 2)))
            position.amount -= amount
            position.paid_until = position.unlock_at
            if not position.amount:
                del self.positions[key]
            self.pending.append(("staking_pools_reward_paid", {**who, "reward": 4}))
            return "staking_pools_withdrawn", {**who, "amount": amount}
        position.paid_until = min(self.now, position.unlock_at)
        return "staking_pools_reward_paid", {**who, "reward": 3}

    def _deal(self, random: Random, account: bytes, accounts: tuple[bytes, ...]) -> Made:
        if not self.deals or random.random() < 0.3:
            key = random.randbytes(32)
            payee = random.choice([one for one in accounts if one != account])
            self.deals[key] = Deal(account, payee, random.randint(1, 99), "open", self.now)
            return "escrow_deal_opened", {
                "deal_id": key, "payer": _text(account), "payee": _text(payee), "arbiter": _text(accounts[0]),
                "amount": self.deals[key].amount, "deliver_by": self.now + 5, "review_seconds": 5,
                "arbitration_seconds": 5, "silence_bps": 5_000, "terms_hash": bytes(32), "subject": key,
                "salt": bytes(32),
            }  # fmt: skip
        key = random.choice(sorted(self.deals))
        deal, by = self.deals[key], {"deal_id": key, "by": _text(account)}
        match deal.state:
            case "open" if random.random() < 0.5:
                deal.state, deal.since = "delivered", self.now
                return "escrow_delivery_declared", {"deal_id": key, "review_until": self.now}
            case "open" | "delivered" if random.random() < 0.4:
                deal.state, deal.since = "disputed", self.now
                return "escrow_dispute_raised", {**by, "reason": bytes(32), "resolve_by": self.now}
            case "open" | "delivered" if random.random() < 0.5:
                deal.state, deal.share = "released", deal.amount
                return "escrow_released", {**by, "amount": deal.amount}
            case "open" | "delivered":
                deal.state = "refunded"
                return "escrow_refunded", {**by, "amount": deal.amount}
            case "disputed":
                deal.state, deal.share = "resolved", random.randint(0, deal.amount)
                return "escrow_dispute_resolved", {
                    **by, "payee_share": deal.share, "payer_share": deal.amount - deal.share,
                }  # fmt: skip
            case _:
                return self._collected(random, key, deal, account, accounts)

    def _collected(self, random: Random, key: bytes, deal: Deal, account: bytes, accounts: tuple[bytes, ...]) -> Made:
        if deal.share and not deal.payee_paid:
            deal.payee_paid = True
            return "escrow_collected", {"deal_id": key, "party": _text(deal.payee), "amount": deal.share}
        if deal.amount - deal.share and not deal.payer_paid:
            deal.payer_paid = True
            return "escrow_collected", {"deal_id": key, "party": _text(deal.payer), "amount": deal.amount - deal.share}
        return self._pool(random, account, accounts)

    def _certificate(self, random: Random, account: bytes, accounts: tuple[bytes, ...]) -> Made:
        code = random.choice(CODES)
        if code not in self.certificates:
            self.certificates[code] = account, "live"
            self.pending.append(("certificates_certificate_issued", {"code": code, "issuer": 4}))
            return "certificates_transfer", {"from": _text(bytes(20)), "to": _text(account), "token_id": code}
        owner, state = self.certificates[code]
        if state != "live":
            return self._pool(random, account, accounts)
        if random.random() < 0.5:
            self.certificates[code] = account, "live"
            return "certificates_transfer", {"from": _text(owner), "to": _text(account), "token_id": code}
        if random.random() < 0.5:
            self.certificates[code] = owner, "retired"
            return "certificates_certificate_retired", {"code": code, "owner": _text(owner), "purpose": b"\x01" * 32}
        self.certificates[code] = owner, "revoked"
        return "certificates_certificate_revoked", {"code": code, "issuer": 4, "reason": b"\x02" * 32}

    def _credit(self, random: Random, account: bytes, _: tuple[bytes, ...]) -> Made:
        vintage, amount = random.choice(VINTAGES), random.randint(1, 10**9)
        issued, retired = self.credits.get(vintage, (0, 0))
        if vintage not in self.credits or random.random() < 0.2:
            self.credits[vintage] = issued, retired
            terms = {"project": 2**64 - 1, "vintage": 2024, "cap_g": amount, "document": random.randbytes(32)}
            return "carbon_credits_vintage_set", {"id": vintage, **terms}
        if random.random() < 0.6:
            self.credits[vintage] = issued + amount, retired
            issue = {"to": _text(account), "amount_g": amount, "evidence": bytes(32)}
            return "carbon_credits_credits_issued", {"id": vintage, **issue}
        self.credits[vintage] = issued, retired + amount
        parties = {"owner": _text(account), "beneficiary": _text(account)}
        return "carbon_credits_credits_retired", {"id": vintage, **parties, "amount_g": amount, "reason": bytes(32)}

    def _proposal(self, random: Random, account: bytes, accounts: tuple[bytes, ...]) -> Made:
        proposal = random.choice(PROPOSALS)
        step, weight = self.proposals.get(proposal, ("", 0))
        if not step:
            self.proposals[proposal] = "created", 0
            return "trace_governor_proposal_created", {
                "proposal_id": proposal, "proposer": _text(account), "targets": [_text(account)], "values": [0],
                "signatures": [""], "calldatas": [b""], "vote_start": 1, "vote_end": 2**60, "description": "Why not?",
            }  # fmt: skip
        if step in ("executed", "canceled"):
            return self._pool(random, account, accounts)
        if step == "created" and random.random() < 0.5:
            self.proposals[proposal] = "queued", weight
            return "trace_governor_proposal_queued", {"proposal_id": proposal, "eta_seconds": self.now + 9}
        last = "executed" if step == "queued" and random.random() < 0.5 else "canceled"
        self.proposals[proposal] = last, weight
        return f"trace_governor_proposal_{last}", {"proposal_id": proposal}

    def _vote(self, random: Random, account: bytes, accounts: tuple[bytes, ...]) -> Made:
        if not self.proposals:
            return self._proposal(random, account, accounts)
        proposal = random.choice(sorted(self.proposals))
        step, weight = self.proposals[proposal]
        support, cast = random.randint(0, 2), random.randint(1, 2**90)
        self.proposals[proposal] = step, weight + cast * (support == 1)
        vote = {"voter": _text(account), "proposal_id": proposal, "support": support, "weight": cast, "reason": "so"}
        if random.random() < 0.3:
            return "trace_governor_vote_cast_with_params", {**vote, "params": b"\x01"}
        return "trace_governor_vote_cast", vote


def _text(account: bytes) -> str:
    return "0x" + account.hex()
