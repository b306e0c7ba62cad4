"""The simulated exchange without its wire: short orders in, short lines out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rebalancer.sim.exchange import Exchange
from rebalancer.sim.vocabulary import (
    Commissioned,
    ContractSpec,
    Executed,
    Moved,
    Opened,
    OrderSpec,
    Refused,
    Report,
    StatusChanged,
    Ticked,
    WhatIf,
)
from rebalancer.sim.world import AccountSpec, Holding, Listing, World

ACCOUNT = "DU9000001"


def new_york(text: str) -> float:
    """Unix seconds of ``2026-04-15 10:00`` in New York."""
    local = datetime.fromisoformat(text)
    return local.replace(tzinfo=ZoneInfo("America/New_York")).timestamp()


def market(**changes: Any) -> World:
    """Apple at 258.00 bid, 258.01 ask, a bond fund at 75, one margin account with 100,000."""
    world: dict[str, Any] = {
        "listings": (
            Listing(
                265598,
                "AAPL",
                Decimal("258.00"),
                primary_exchange="NASDAQ",
                trading_class="NMS",
            ),
            Listing(900000011, "BND", Decimal("75.00")),
        ),
        "accounts": (AccountSpec(ACCOUNT, cash={"USD": Decimal(100_000)}),),
    }
    return World(**{**world, **changes})


def account(
    cash: object = 100_000, positions: dict[int, int] | None = None, **more: Any
) -> tuple[AccountSpec, ...]:
    """One account; positions by con id, each share bought at 100."""
    holdings = tuple(
        Holding(con_id, Decimal(shares), Decimal(100))
        for con_id, shares in (positions or {}).items()
    )
    return (AccountSpec(ACCOUNT, cash={"USD": Decimal(str(cash))}, holdings=holdings, **more),)


class Play:
    """One exchange, a clock that the test moves, and client 1 if nobody else is named."""

    def __init__(self, world: World | None = None, start: str = "2026-04-15 10:00") -> None:
        self.now = new_york(start)
        self.exchange = Exchange(world or market(), self.now)

    def place(
        self,
        action: str,
        shares: object,
        symbol: str = "AAPL",
        kind: str = "MKT",
        *,
        limit: object = None,
        stop: object = None,
        tif: str = "DAY",
        account: str = ACCOUNT,
        client: int = 1,
        order_id: int | None = None,
        **more: Any,
    ) -> list[str]:
        """Place an order with the next order id; LMT if there is a limit."""
        if limit is not None and kind == "MKT":
            kind = "LMT"
        order = OrderSpec(
            action=action,
            quantity=Decimal(str(shares)),
            order_type=kind,
            limit_price=None if limit is None else Decimal(str(limit)),
            aux_price=None if stop is None else Decimal(str(stop)),
            tif=tif,
            account=account,
            **more,
        )
        number = order_id or self.exchange.connect(client, self.now)
        contract = ContractSpec(symbol=symbol, sec_type="STK", exchange="SMART", currency="USD")
        return lines(self.exchange.place(client, number, contract, order, self.now))

    def buy(self, shares: object, symbol: str = "AAPL", **more: Any) -> list[str]:
        """Place a buy."""
        return self.place("BUY", shares, symbol, **more)

    def sell(self, shares: object, symbol: str = "AAPL", **more: Any) -> list[str]:
        """Place a sell."""
        return self.place("SELL", shares, symbol, **more)

    def cancel(self, order_id: int, client: int = 1) -> list[str]:
        """Cancel an order."""
        return lines(self.exchange.cancel(client, order_id, self.now))

    def wait(self, seconds: float) -> list[str]:
        """Let time pass."""
        self.now += seconds
        return lines(self.exchange.advance(self.now))

    def until(self, text: str) -> list[str]:
        """Let time pass until a moment in New York."""
        return self.wait(new_york(text) - self.now)

    def move(self, symbol: str, price: object) -> list[str]:
        """Move a price."""
        return lines(self.exchange.set_price(symbol, Decimal(str(price)), self.now))

    def held(self, symbol: str = "AAPL") -> Decimal:
        """Shares of a symbol in the account."""
        found = [
            p.quantity
            for p in self.exchange.positions(ACCOUNT)
            if self.exchange.contract(p.con_id).symbol == symbol
        ]
        return sum(found, Decimal(0))

    def value(self, tag: str, currency: str = "USD", account: str = ACCOUNT) -> Decimal:
        """A row of account values."""
        rows = self.exchange.account_values(account)
        return next(Decimal(r.value) for r in rows if (r.tag, r.currency) == (tag, currency))


def lines(reports: Iterable[Report]) -> list[str]:
    """Reports as ``openOrder Submitted``, ``orderStatus Filled 5/0``, ``error 202``…"""
    return [line for report in reports if (line := _line(report))]


def _line(report: Report) -> str:
    match report:
        case Opened(view):
            return f"openOrder {view.status}"
        case StatusChanged(view):
            held = f" {view.why_held}" if view.why_held else ""
            return f"orderStatus {view.status} {view.filled}/{view.remaining}{held}"
        case Executed(fill):
            return f"execDetails {fill.side} {fill.shares} @ {fill.price}"
        case Commissioned(fill):
            return f"commission {fill.commission:.2f}"
        case Refused():
            return f"error {report.code} {report.text}".strip()
        case WhatIf():
            return "whatIf"
        case Ticked() | Moved():
            return ""
