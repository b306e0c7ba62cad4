"""Account statements: the rows of account updates, account summary, portfolio and P&L."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from rebalancer.sim.venue.book import Book, Position
from rebalancer.sim.venue.market import Market
from rebalancer.sim.venue.standing import Accountant, Standing, buying_power
from rebalancer.sim.vocabulary import AccountValueView, PnlView, PositionView
from rebalancer.sim.world import AccountSpec

_ZERO = Decimal(0)
#: Rows by currency that a stock account shows as zero.
_NO_HOLDINGS = (
    "FundValue", "NetDividend", "MutualFundValue", "MoneyMarketFundValue",
    "CorporateBondValue", "TBondValue", "TBillValue", "WarrantValue", "FxCashBalance",
    "IssuerOptionValue", "FutureOptionValue", "Cryptocurrency", "FuturesPNL",
)  # fmt: skip
#: Totals that real accounts repeat for their segments: -S securities, -C commodities.
_SEGMENTED = frozenset(
    {
        "AccruedCash", "AccruedDividend", "AvailableFunds", "EquityWithLoanValue",
        "ExcessLiquidity", "FullAvailableFunds", "FullExcessLiquidity", "FullInitMarginReq",
        "FullMaintMarginReq", "GrossPositionValue", "InitMarginReq",
        "LookAheadAvailableFunds", "LookAheadExcessLiquidity", "LookAheadInitMarginReq",
        "LookAheadMaintMarginReq", "MaintMarginReq", "NetLiquidation", "TotalCashValue",
    }
)  # fmt: skip
_LEDGER = "$LEDGER"


class Statements:
    """Reports on the accounts of ``specs`` as ``book`` and ``market`` have them."""

    def __init__(
        self, specs: Sequence[AccountSpec], book: Book, market: Market, accountant: Accountant
    ) -> None:
        self._specs = {spec.account_id: spec for spec in specs}
        self._book = book
        self._market = market
        self._accountant = accountant

    def net_liquidation(self, account: str) -> Decimal:
        """Base currency."""
        return self._standing(account).equity

    def positions(self, account: str) -> tuple[PositionView, ...]:
        """Holdings in the order they were opened, in their own currencies; then pairs."""
        pairs = self._book.ledgers[account].pairs.items()
        return self._held(account) + tuple(
            self._position(account, con_id, position) for con_id, position in pairs
        )

    def _held(self, account: str) -> tuple[PositionView, ...]:
        """What counts towards the account's value; pairs are only its cash, seen otherwise."""
        return tuple(
            self._position(account, con_id, position)
            for con_id, position in self._book.ledgers[account].positions.items()
        )

    def _position(self, account: str, con_id: int, position: Position) -> PositionView:
        value = self._accountant.value(con_id, position)
        return PositionView(
            account=account,
            con_id=con_id,
            quantity=position.quantity,
            avg_cost=position.avg_cost,
            market_price=self._market.last(con_id) / self._market.listing(con_id).magnifier,
            market_value=value,
            unrealized_pnl=value - position.avg_cost * position.quantity,
            realized_pnl=self._book.ledgers[account].realized.get(con_id, _ZERO),
        )

    def pnl(self, account: str) -> PnlView:
        """Since the last close; unrealized since the purchase. Base currency."""
        base, ledger = self._specs[account].currency, self._book.ledgers[account]
        unrealized = sum(
            (
                view.unrealized_pnl * self._rate_of(view.con_id, base)
                for view in self._held(account)
            ),
            _ZERO,
        )
        daily = self.net_liquidation(account) - ledger.equity_at_close
        realized = sum(
            (
                amount * self._rate_of(con_id, base)
                for con_id, amount in ledger.realized.items()
            ),
            _ZERO,
        )
        return PnlView(daily=daily, unrealized=unrealized, realized=realized)

    def _currency(self, con_id: int) -> str:
        return self._market.listing(con_id).currency

    def _rate_of(self, con_id: int, base: str) -> Decimal:
        return self._accountant.rate(self._currency(con_id), base)

    # Rows --------------------------------------------------------------------------------

    def account_values(self, account: str) -> tuple[AccountValueView, ...]:
        """Every row, totals first, then one block a currency, BASE last."""
        rows = list(self._facts(account))
        for row in self._totals(account):
            rows.append(row)
            if row.tag in _SEGMENTED:
                rows.append(AccountValueView(f"{row.tag}-S", row.value, row.currency))
                rows.append(AccountValueView(f"{row.tag}-C", "0.00", row.currency))
        rows += self._ledgers(account)
        return tuple(sorted(rows, key=lambda row: row.tag))

    def account_summary(
        self, account: str, tags: Sequence[str]
    ) -> tuple[AccountValueView, ...]:
        """The asked rows by tag; ``$LEDGER`` is BASE, ``$LEDGER:ALL`` every currency."""
        wanted = {tag.strip() for tag in tags}
        rows = [
            row for row in (*self._facts(account), *self._totals(account)) if row.tag in wanted
        ]
        rows.sort(key=lambda row: row.tag)
        ledgers = {tag for tag in wanted if tag.startswith(_LEDGER)}
        if ledgers:
            asked = {tag.partition(":")[2] or "BASE" for tag in ledgers}
            rows += [
                row for row in self._ledgers(account) if "ALL" in asked or row.currency in asked
            ]
        return tuple(rows)

    def _standing(self, account: str) -> Standing:
        return self._accountant.standing(self._specs[account], self._book.ledgers[account])

    def _facts(self, account: str) -> Iterator[AccountValueView]:
        yield AccountValueView("AccountCode", account, "")
        yield AccountValueView("AccountReady", "true", "")
        yield AccountValueView("AccountType", "INDIVIDUAL", "")
        yield AccountValueView("Currency", self._specs[account].currency, "")
        yield AccountValueView("DayTradesRemaining", "-1", "")
        yield AccountValueView("HighestSeverity", "0", "")
        yield AccountValueView("LookAheadNextChange", "0", "")
        standing = self._standing(account)
        cushion = standing.available / standing.equity if standing.equity else _ZERO
        yield AccountValueView("Cushion", f"{cushion:.6f}", "")
        leverage = standing.gross / standing.equity if standing.equity else _ZERO
        yield AccountValueView("Leverage", f"{leverage:.2f}", "")

    def _totals(self, account: str) -> Iterator[AccountValueView]:
        spec, now = self._specs[account], self._standing(account)
        excess = now.equity - now.pending - now.margin
        amounts = {
            "AccruedCash": _ZERO,
            "AccruedDividend": _ZERO,
            "BuyingPower": buying_power(spec, now),
            "EquityWithLoanValue": now.loan_value,
            "GrossPositionValue": now.gross,
            "NetLiquidation": now.equity,
            "PreviousDayEquityWithLoanValue": self._book.ledgers[account].equity_at_close,
            "RegTEquity": now.loan_value,
            "RegTMargin": now.gross / 2,
            "SMA": max(now.loan_value - now.gross / 2, _ZERO),
            "SettledCash": now.cash,
            "TotalCashValue": now.cash,
        }
        for prefix in ("", "Full", "LookAhead"):
            amounts[f"{prefix}AvailableFunds"] = now.available
            amounts[f"{prefix}ExcessLiquidity"] = excess
            amounts[f"{prefix}InitMarginReq"] = now.margin
            amounts[f"{prefix}MaintMarginReq"] = now.margin
        for tag, amount in sorted(amounts.items()):
            yield AccountValueView(tag, f"{amount:.2f}", spec.currency)

    def _ledgers(self, account: str) -> Iterator[AccountValueView]:
        spec, ledger = self._specs[account], self._book.ledgers[account]
        currencies = dict.fromkeys((spec.currency, *ledger.cash))
        currencies |= dict.fromkeys(self._currency(con_id) for con_id in ledger.positions)
        sums: dict[str, Decimal] = {}
        for currency in currencies:
            rate = self._accountant.rate(currency, spec.currency)
            rows = dict(self._currency_rows(account, currency))
            for tag, amount in rows.items():
                sums[tag] = sums.get(tag, _ZERO) + amount * rate
            yield from _ledger_rows(account, currency, currency, rows, rate)
        yield from _ledger_rows(account, "BASE", spec.currency, sums, Decimal(1))

    def _currency_rows(self, account: str, currency: str) -> Iterator[tuple[str, Decimal]]:
        ledger = self._book.ledgers[account]
        cash = ledger.cash.get(currency, _ZERO)
        pending = sum((p.amount for p in ledger.proceeds if p.currency == currency), _ZERO)
        views = [
            view for view in self._held(account) if self._currency(view.con_id) == currency
        ]
        kinds = [self._market.listing(view.con_id).sec_type for view in views]
        stock = sum(
            (v.market_value for v, k in zip(views, kinds, strict=True) if k == "STK"), _ZERO
        )
        options = sum(
            (v.market_value for v, k in zip(views, kinds, strict=True) if k in {"OPT", "FOP"}),
            _ZERO,
        )
        futures = sum(
            (v.unrealized_pnl for v, k in zip(views, kinds, strict=True) if k == "FUT"), _ZERO
        )
        yield "AccruedCash", _ZERO
        yield "CashBalance", cash
        yield "NetLiquidationByCurrency", cash + pending + stock + options + futures
        yield "OptionMarketValue", options
        realized = ledger.realized.items()
        yield (
            "RealizedPnL",
            sum((pnl for con_id, pnl in realized if self._currency(con_id) == currency), _ZERO),
        )
        yield "StockMarketValue", stock
        yield "TotalCashBalance", cash
        yield "UnrealizedPnL", sum((v.unrealized_pnl for v in views), _ZERO)


def _ledger_rows(
    account: str, block: str, real: str, amounts: dict[str, Decimal], rate: Decimal
) -> Iterator[AccountValueView]:
    yield AccountValueView("AccountOrGroup", account, block)
    yield AccountValueView("Currency", block, block)
    yield AccountValueView("RealCurrency", real, block)
    yield AccountValueView("ExchangeRate", f"{rate:.7f}", block)
    for tag, amount in amounts.items():
        yield AccountValueView(tag, f"{amount:.2f}", block)
    for tag in _NO_HOLDINGS:
        yield AccountValueView(tag, "0.00", block)
