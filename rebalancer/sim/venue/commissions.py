"""What a fill costs: IBKR's fixed pricing for stocks and ETFs.

Source: https://www.interactivebrokers.com/en/pricing/commissions-stocks.php, fixed plan. In the
United States USD 0.005 a share, at least USD 1.00 and at most 1 % of the trade value an order
(the maximum wins over the minimum); Western European stocks and ETFs 0.05 % of the trade
value, at least 3.00 of the currency (1.25 to 4.00 in reality, by venue). Currencies 0.2 basis
points of the value, at least USD 2.00, charged in the account's own currency
(https://www.interactivebrokers.com/en/index.php?f=commission&p=fx1). Minimum and maximum
are an order's, not a fill's: recorded partial fills carry 1.00012, 0.00012 and 0.00006.
Regulatory fees on sales, a few cents, are left out.
"""

from __future__ import annotations

from decimal import Decimal

_US_PER_SHARE = Decimal("0.005")
_US_MINIMUM = Decimal("1.00")
_US_MAXIMUM_SHARE = Decimal("0.01")
_ELSEWHERE_SHARE = Decimal("0.0005")
_ELSEWHERE_MINIMUM = Decimal("3.00")
_CENT_FRACTION = Decimal("0.000001")
_PAIR_SHARE = Decimal("0.00002")
_PAIR_MINIMUM = Decimal("2.00")


def order_commission(currency: str, shares: Decimal, value: Decimal) -> Decimal:
    """The commission of an order of which ``shares`` worth ``value`` are filled, >= 0.

    Money is in ``currency``.
    """
    if not shares:
        return Decimal(0)
    if currency == "USD":
        fee = min(max(shares * _US_PER_SHARE, _US_MINIMUM), value * _US_MAXIMUM_SHARE)
    else:
        fee = max(value * _ELSEWHERE_SHARE, _ELSEWHERE_MINIMUM)
    return fee.quantize(_CENT_FRACTION)


def conversion_commission(dollars: Decimal) -> Decimal:
    """The commission of a currency order worth so many US dollars, in US dollars."""
    return max(dollars * _PAIR_SHARE, _PAIR_MINIMUM).quantize(_CENT_FRACTION) * bool(dollars)
