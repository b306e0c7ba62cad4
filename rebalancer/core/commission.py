"""What IBKR charges for a stock order, as far as a plan can know it beforehand.

An estimate that sizes plans; what was really charged is in the fills. IBKR's fixed pricing,
https://www.interactivebrokers.com/en/pricing/commissions-stocks.php, whose own examples are
100 shares at USD 25 for USD 1.00, 1,000 at USD 25 for 5.00 and 1,000 at USD 0.25 for 2.50.
Regulatory fees on sells (below 0.3 basis points) are not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Schedule:
    """A price list for orders in one currency; money is in that currency."""

    per_share: Decimal = Decimal(0)
    #: Share of the order's value, beside ``per_share``.
    of_value: Decimal = Decimal(0)
    #: An order costs at least this, but never more than ``most_of_value`` of its value.
    least: Decimal = Decimal(0)
    most_of_value: Decimal | None = None

    def commission(self, shares: int, price: Decimal) -> Decimal:
        """Return what an order for ``shares`` (of either sign) at ``price`` costs."""
        if not shares:
            return Decimal(0)
        value = abs(shares) * price
        fee = max(abs(shares) * self.per_share + self.of_value * value, self.least)
        return fee if self.most_of_value is None else min(fee, self.most_of_value * value)


_USD = Schedule(
    per_share=Decimal("0.005"),
    least=Decimal(1),
    most_of_value=Decimal("0.01"),
)
_CAD = Schedule(
    per_share=Decimal("0.01"),
    least=Decimal(1),
    most_of_value=Decimal("0.005"),
)
#: Elsewhere the price depends on the exchange: mostly 0.05% (Europe) to 0.08% (Hong Kong,
#: Australia) of the value, at least 3 to 6 units of the currency. The dearer end is assumed.
_ELSEWHERE = Schedule(of_value=Decimal("0.0008"), least=Decimal(6))

_SCHEDULES = {"USD": _USD, "CAD": _CAD}


def schedule(currency: str) -> Schedule:
    """Return the price list for stocks that trade in ``currency``."""
    return _SCHEDULES.get(currency, _ELSEWHERE)
