"""Handlers whose every result depends on the order in which they saw the events."""

from dataclasses import dataclass

from eth_hash.auto import keccak

from indexer.handlers import Batch, BigInt, Entities, Handlers

handlers = Handlers()


@handlers.entity("token", "account")
@dataclass(slots=True)
class Holder:
    """What an account holds of a token, and the hash over all that it ever moved."""

    token: bytes
    account: bytes
    balance: int = 0
    transfers: BigInt = 0
    history: bytes = b""


@handlers.entity("account")
@dataclass(slots=True)
class Depositor:
    """Gone once the account has withdrawn."""

    account: bytes
    cash: int = 0
    last_event: str = ""
    is_rich: bool = False
    last_request: BigInt | None = None


@handlers.on("PaymentToken.Transfer", "EnergyToken.Transfer")
async def transfers(batch: Batch, entities: Entities) -> None:
    columns = list(zip(batch.emitters, batch["from"], batch["to"], batch["value"], strict=True))
    keys = {(token, account) for token, sender, recipient, _ in columns for account in (sender, recipient)}
    holders = await entities.load(Holder, keys)
    for token, sender, recipient, value in columns:
        for account, amount in ((sender, -value), (recipient, value)):
            holder = holders[token, account]
            holder.balance += amount
            holder.transfers += 1
            holder.history = keccak(holder.history + str(amount).encode())
    entities.save(holders.values())


@handlers.on(
    "SettlementExchange.Deposited",
    "SettlementExchange.WithdrawalRequested",
    "SettlementExchange.WithdrawalExecuted",
)
async def deposits(batch: Batch, entities: Entities) -> None:
    depositors = await entities.load(Depositor, batch["account"])
    for event, account, cash, ready_at in zip(
        batch.events, batch["account"], batch["cash"], batch["readyAt"], strict=True
    ):
        depositor = depositors[account]
        depositor.last_event = event
        match event.split(".")[1]:
            case "Deposited":
                depositor.cash += cash
                depositor.is_rich = depositor.cash > 10**6
                entities.save([depositor])
            case "WithdrawalRequested":
                depositor.last_request = ready_at
                entities.save([depositor])
            case _:
                entities.delete(Depositor, [account])
                depositors[account] = (await entities.load(Depositor, [account]))[account]
