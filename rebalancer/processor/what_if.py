"""What the gateway says the orders would do to margin and cost, asked before any is sent.

Each order is asked about on its own, against the account as it is; that is all a gateway
answers. What all of them do together is taken to be the sum of the changes, on top of the
worst of the figures given for the account as it is. For stocks that is what IBKR's rule-based
margin adds up to; what hedges are worth between orders is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any

from rebalancer.core.account import Account
from rebalancer.core.measures import Margin
from rebalancer.core.order import Order
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.errors import GatewayError, GatewayUnavailableError
from rebalancer.gateway import trading
from rebalancer.gateway.replies import together
from rebalancer.gateway.trading import WhatIf
from rebalancer.processor import report
from rebalancer.processor.run import Run

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the gateway said, by symbol: figures, or its words when it gave none."""

    told: Mapping[str, WhatIf] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)

    def refused(self, lines: Iterable[PlanLine]) -> Mapping[str, str]:
        """Those of the lines that were not answered, and why."""
        return {s: self.silent[s] for line in lines if (s := line.symbol) in self.silent}

    def margin(self, planned: Plan) -> Margin | None:
        """The account after all the plan's orders; ``None`` unless each was answered."""
        symbols = [line.symbol for line in planned.lines if line.trade]
        told = [self.told[symbol] for symbol in symbols if symbol in self.told]
        if not told or len(told) < len(symbols):
            return None
        return Margin(
            equity_with_loan=min(w.equity_with_loan_before for w in told)
            + sum((w.equity_with_loan_change for w in told), _ZERO),
            initial_margin=max(w.initial_margin_before for w in told)
            + sum((w.initial_margin_change for w in told), _ZERO),
        )


async def ask(run: Run, planned: Plan, account: Account) -> Answers:
    """Ask about every order of the plan at once, if the account's policy is to.

    Raises:
        GatewayUnavailableError: the connection was lost.
    """
    lines = [line for line in planned.lines if line.trade]
    if not run.portfolio.policy.what_if or not lines:
        return Answers()
    async with together() as group:
        tasks = {line.symbol: group.create_task(_ask(run, line, account)) for line in lines}
    found = {symbol: task.result() for symbol, task in tasks.items()}
    return Answers(
        told={s: answer for s, answer in found.items() if isinstance(answer, WhatIf)},
        silent={s: answer for s, answer in found.items() if isinstance(answer, str)},
    )


async def _ask(run: Run, line: PlanLine, account: Account) -> WhatIf | str:
    order = Order(
        order_ref=f"what-if:{line.symbol}",
        account_id=run.portfolio.account_id,
        symbol=line.symbol,
        con_id=line.con_id,
        action="BUY" if line.trade > 0 else "SELL",
        quantity=abs(line.trade),
        order_type="MKT" if line.limit_price is None else "LMT",
        limit_price=line.limit_price,
        outside_rth=run.portfolio.policy.extended_hours,
    )
    try:
        return await trading.what_if(run.gateway, order, account.instruments[line.symbol])
    except GatewayUnavailableError:
        raise
    except GatewayError as error:
        return str(error)


def costed(planned: Plan, account: Account, answers: Answers) -> Plan:
    """The plan with the gateway's own commissions in place of the estimates, where it told."""
    lines = []
    for line in planned.lines:
        fee = _fee(answers.told.get(line.symbol), account)
        if fee is not None and line.trade:
            lines.append(line._replace(commission_parts=_parts(fee)))
        else:
            lines.append(line)
    return replace(planned, lines=tuple(lines))


def _parts(fee: Decimal) -> int:
    """Ten-thousandths, rounded up."""
    return int((fee * 10_000).to_integral_value(ROUND_CEILING))


def shown(answers: Answers) -> list[dict[str, Any]]:
    """Return what the gateway says each order would do; empty when it was not asked."""
    told = [
        {
            "symbol": symbol,
            "initial_margin_change": report.text(answer.initial_margin_change),
            "maintenance_margin_change": report.text(answer.maintenance_margin_change),
            "commission": report.text(answer.commission),
            "commission_currency": answer.commission_currency,
            "warning": answer.warning,
            "refused": "",
        }
        for symbol, answer in answers.told.items()
    ]
    return told + [{"symbol": s, "refused": why} for s, why in answers.silent.items()]


def _fee(answer: WhatIf | None, account: Account) -> Decimal | None:
    if answer is None or answer.commission is None:
        return None
    rate = account.rates.get(answer.commission_currency)
    return None if rate is None else answer.commission * rate
