"""Trades and meters by the first letter of an account."""

from node.settlement.delivery import Delivery, Metered, Trade


def account(name: str) -> bytes:
    return name.encode() * 20


def trade(number: int, seller: str, buyer: str, energy_wh: int, price: int = 100_000, fee: int = 20_000) -> Trade:
    return Trade(
        number=number,
        buy_order=b"b" + buyer.encode() * 31,
        sell_order=b"s" + seller.encode() * 31,
        buyer=account(buyer),
        seller=account(seller),
        energy_wh=energy_wh,
        price_per_kwh=price,
        fee_per_kwh=fee,
    )


def metered(**flows: tuple[int, int]) -> dict[bytes, Metered]:
    """(injection, withdrawal) by account."""
    return {account(name): Metered(*flow) for name, flow in flows.items()}


def delivered(deliveries: tuple[Delivery, ...]) -> list[int]:
    return [delivery.delivered_wh for delivery in deliveries]
