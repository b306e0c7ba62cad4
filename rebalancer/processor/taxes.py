"""Plans as holdings and what was traded lately bound them.

Holdings that are replaced count towards what replaces them; the wash-sale guard bars buys;
young gains are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from rebalancer.core import tax
from rebalancer.core.account import Account, Instrument
from rebalancer.core.plan import Plan, plan
from rebalancer.core.request import ANYTHING, Aim
from rebalancer.core.target import Target
from rebalancer.core.trades import MEMORY_SECONDS, Trade
from rebalancer.processor.run import Run
from rebalancer.queue import moves
from rebalancer.targets.holdings import counted


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one run. Without replacements and tax rules just ``core.plan.plan``."""

    run: Run
    target: Target
    #: The target, and what may have to be bought instead: what needs a price.
    priced: Target
    memory: tuple[Trade, ...] = ()
    #: What the run is to do.
    aim: Aim = ANYTHING

    def plan(
        self,
        account: Account,
        *,
        spent: Decimal | None = None,
        buying_only: bool = False,
        sold: Collection[str] = (),
    ) -> Plan:
        """Plan as ``core.plan.plan`` does; notes say what is left alone for taxes.

        ``buying_only`` spends the cash that is there, as far as the aim lets it, and sells
        nothing. What this run has ``sold`` is not bought back with what the sells brought
        beyond their worst: two orders for nothing, and a wash sale if it was at a loss.
        """
        portfolio, now, aim = self.run.portfolio, self.run.gateway.now(), self.aim
        target, policy = counted(account, self.target, portfolio.policy, aim.aside)
        banned = tax.bans(account, self.memory, policy, now)
        target, banned = tax.substituted(
            account, target, policy, banned, target.substitutes, aim.aside
        )
        policy = tax.bounded(policy, banned) if banned else policy
        if buying_only:
            policy = policy.buying_only(account.instruments)
        if sold:
            policy = policy.buying_none_of(sold)
        planned = plan(account, target, policy, spent=spent, aim=aim)
        return tax.explained(planned, banned)


async def planner(run: Run, target: Target, instruments: Mapping[str, Instrument]) -> Planner:
    """Recall what the policy needs to know, after everything sent before is settled.

    Raises:
        PermanentError: the memory of an account is unreadable.
    """
    policy, account_id = run.portfolio.policy, run.portfolio.account_id
    asked = set(run.portfolio.kin) if policy.wash_sale_guard else set()
    if policy.wash_sale_guard or policy.avoid_short_term_gains:
        asked.add(account_id)
    if not asked:
        return Planner(run, target, target)
    now = run.gateway.now()
    memory: list[Trade] = []
    for name in sorted(asked):
        memory += await run.queue.run(moves.trades(name, since=now - MEMORY_SECONDS))
    barred = tax.washed(memory, now) if policy.wash_sale_guard else {}
    instead = {
        target.substitutes[symbol].symbol: Decimal(0)
        for symbol, instrument in instruments.items()
        if instrument.con_id in barred and symbol in target.substitutes
    }
    priced = replace(target, weights={**instead, **target.weights})
    return Planner(run, target, priced, tuple(memory))
