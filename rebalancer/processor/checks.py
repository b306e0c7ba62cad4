"""Where plans and orders meet the safety rails: before anything is sent, and at each order.

The rails themselves are pure (``core/rails.py``). Here is what is true now for them, and what
their answer does: ``checked`` takes in every result there is, ``require`` makes breaches an
error named by what happens next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from rebalancer.core import hours, rails
from rebalancer.core.account import Account, Instrument
from rebalancer.core.measures import Facts, extra_cost_of, plainly, value_of
from rebalancer.core.order import Intent
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.core.rails import Check, Stage
from rebalancer.errors import (
    DelayedError,
    PermanentError,
    RebalancerError,
    RetryableError,
    WrongGatewayError,
)
from rebalancer.gateway.market import latest
from rebalancer.processor.gate import opening_after
from rebalancer.processor.run import Run
from rebalancer.processor.what_if import Answers
from rebalancer.queue import moves
from rebalancer.queue.values import Recorded, Refused

#: Breaches told in one error; the others are in the result.
TOLD = 5


def checked(run: Run, results: Iterable[Check]) -> tuple[Check, ...]:
    """Take in what checks found, passed or not. Every result goes through here."""
    found = tuple(results)
    run.tally.checks += found
    for each in found:
        subject = f"{each.name} {each.symbol}".strip()
        run.record.check(subject, each.passed, each.figure, each.limit, each.key)
    return found


async def check_plan(
    run: Run, planned: Plan, account: Account, answers: Answers
) -> tuple[Check, ...]:
    """Hold a whole plan against the rails; nothing is raised."""
    if run.tally.day is None:
        day = _today(run)
        run.tally.day = await run.queue.run(moves.day_turnover(account.account_id, day))
    facts = replace(
        _facts(run, account),
        margin=answers.margin(planned),
        # What needs the proceeds of sells may be refused while they are not there.
        refused=answers.refused(planned.sells or planned.buys),
    )
    found = rails.check(planned, account, run.portfolio.policy, facts, "plan")
    return checked(run, found)


def require(run: Run, found: Iterable[Check], instruments: Iterable[Instrument]) -> None:
    """Return if every check passed.

    Raises:
        PermanentError: of the rails broken one cannot be mended by waiting.
        DelayedError: the trading day's turnover is used up; until the next day's open.
        RetryableError: a new plan may keep to all of them.
    """
    error = error_of(run, found, instruments)
    if error is not None:
        raise error


def error_of(
    run: Run, found: Iterable[Check], instruments: Iterable[Instrument]
) -> RebalancerError | None:
    """The error that the breaches come to, the most final of them first."""
    broken = rails.breaches(found)
    if not broken:
        return None
    texts = list(dict.fromkeys(check.text for check in broken))
    more = f" (and {len(texts) - TOLD} more)" if len(texts) > TOLD else ""
    text = " | ".join(texts[:TOLD]) + more
    ends = {check.then for check in broken}
    if "bury" in ends:
        return PermanentError(text)
    if "delay" in ends:
        zone = run.portfolio.policy.limits.turnover_day_time_zone
        midnight = hours.next_trading_day(run.gateway.now(), zone)
        return DelayedError(text, until=opening_after(run, instruments, midnight))
    return RetryableError(text)


class Watch:
    """Looks at the orders of one pass right before they are sent, a chunk at a time."""

    def __init__(
        self,
        run: Run,
        planned: Plan,
        account: Account,
        missing: Mapping[str, Decimal] | None = None,
    ) -> None:
        self._run = run
        #: What a conversion is for; ``None`` for orders of a plan.
        self._missing = missing
        self._plan = planned
        self._account = account
        self._policy = run.portfolio.policy
        self._costs = {p.con_id: p.avg_cost for p in account.positions}
        #: What was true at the last look.
        self._facts = _facts(run, account)
        self._stage: Stage = "order" if missing is None else "conversion"
        self._extra_cost = Decimal(0)
        #: Why no further order may be sent.
        self.broken: list[Check] = []

    def fit(self, lines: Sequence[PlanLine]) -> int:
        """How many of these, from the first on, may be sent by what is known now.

        Nothing is asked of anybody: prices are those that the open lines have told.

        Raises:
            GatewayUnavailableError: there is no connection.
        """
        instruments = [self._account.instruments[line.symbol] for line in lines]
        seen, unpriced = latest(self._run.gateway, instruments)
        self._facts = replace(
            _facts(self._run, self._account),
            quotes={**self._account.quotes, **seen},
            unpriced=unpriced,
            extra_cost=self._extra_cost,
            missing=self._missing or {},
        )
        found, count = self._check(lines), len(lines)
        if rails.breaches(found):
            # Sums only grow along the lines: the shortest stretch that breaks ends in the one
            # that breaks it.
            stretches = range(1, len(lines) + 1)
            count = next(n for n in stretches if rails.breaches(self._check(lines[:n]))) - 1
            found = self._check(lines[: count + 1])
        self.broken += rails.breaches(checked(self._run, found))
        return count

    def marked(self, intent: Intent, line: PlanLine) -> Intent:
        """The intent, written down now, with what later looks have to know of it."""
        cost = self._costs.get(line.con_id) or None
        least = line.price * (1 - self._policy.slippage)
        return replace(
            intent,
            recorded_at=self._run.clock(),
            avg_cost=cost,
            may_lose=self._missing is None
            and line.trade < 0
            and (cost is None or least < cost),
            # Money is as much in one currency as it was in the other.
            turnover=0
            if self._missing is not None
            else rails.hundredths(value_of(line, self._facts.quotes.get(line.symbol))),
            trading_day=_today(self._run),
        )

    @property
    def day_limit(self) -> int | None:
        """Most hundredths of a trading day, for the counter's own check."""
        share = self._policy.limits.turnover_limit_per_day
        if share is None:
            return None
        return int(share * max(self._plan.net_liquidation, Decimal(0)) * 100)

    @property
    def guarded(self) -> tuple[str, ...]:
        """Accounts whose sales at a loss bar buys."""
        return self._run.portfolio.kin if self._policy.wash_sale_guard else ()

    def recorded(
        self, recorded: Recorded, lines: Sequence[PlanLine], intents: Sequence[Intent]
    ) -> None:
        """Count what may be sent, and take in what the queue has refused."""
        tally = self._run.tally
        for line, intent in zip(lines, intents, strict=True):
            why = recorded.refused.get(intent.order.order_ref)
            if why is not None:
                self.broken += checked(self._run, [self._told(intent, why)])
            elif intent.order.order_ref in recorded.allowed:
                tally.orders += 1
                tally.turnover += Decimal(intent.turnover) / 100
                quote = self._facts.quotes.get(line.symbol)
                self._extra_cost += extra_cost_of(line, self._policy, quote)

    @property
    def error(self) -> RebalancerError | None:
        """What the breaches come to."""
        traded = [line.symbol for line in self._plan.lines if line.trade]
        return error_of(self._run, self.broken, [self._account.instruments[s] for s in traded])

    def _check(self, lines: Sequence[PlanLine]) -> tuple[Check, ...]:
        part = replace(self._plan, lines=tuple(lines))
        return rails.check(part, self._account, self._policy, self._facts, self._stage)

    def _told(self, intent: Intent, why: Refused) -> Check:
        account_id, symbol = self._account.account_id, intent.order.symbol
        share = (self._policy.limits.turnover_limit_per_day or Decimal(0)) * 100
        match why.why:
            case "turnover":
                total = (Decimal(why.figure) + intent.turnover) / 100
                said = (
                    f"{total:,.2f} {self._plan.currency} bought and sold this trading day with "
                    f"the order for {symbol} is above turnover_limit_per_day_percent "
                    f"{plainly(share)} of {account_id}"
                )
                return rails.breach("day_turnover", total, share, said, account_id)
            case "counter":
                said = f"the counter of the trading day's turnover reads {why.figure!r}"
                return rails.breach("day_counter", why.figure, "readable", said, account_id)
            case "wash_sale":
                said = f"{symbol} is not bought for {account_id}: {why.figure}"
                return rails.breach("wash_sale", why.figure, "not sold", said, account_id)


def _facts(run: Run, account: Account) -> Facts:
    tally, day = run.tally, run.tally.day
    return Facts(
        now=run.clock(),
        quotes=account.quotes,
        orders=tally.orders,
        turnover=tally.turnover,
        day_turnover=day if isinstance(day, Decimal) else Decimal(0),
        day_unreadable=day if isinstance(day, str) else "",
        disagreement=_disagreement(run),
    )


def _disagreement(run: Run) -> str:
    try:
        run.gateway.check_account(run.portfolio.account_id, run.portfolio.mode)
    except WrongGatewayError as error:
        return str(error)
    return ""


def _today(run: Run) -> str:
    zone = run.portfolio.policy.limits.turnover_day_time_zone
    return hours.trading_day(run.gateway.now(), zone)
