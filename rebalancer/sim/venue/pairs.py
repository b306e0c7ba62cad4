"""Currency pairs: what the currencies of a world can be converted with, as on IDEALPRO.

IBKR routes orders below a currency's minimum as odd lots and says so (399): 20,000 to 25,000 of
the larger currencies (https://ibkr.info/article/1285); the text is that of gateway logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from zlib import crc32

from rebalancer.sim.vocabulary import OrderSpec
from rebalancer.sim.world import Listing

VENUE = "IDEALPRO"
#: Of two currencies a pair is named after the one that comes first here; others follow.
_FIRST = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF")
#: The real con ids of the pairs that most users know.
_CON_IDS = {"EUR.USD": 12087792, "GBP.USD": 12087797, "USD.JPY": 15016059}
#: Con ids made up for the others begin here.
_SYNTHETIC = 990_000_000
_STEP, _COARSE = Decimal("0.00005"), Decimal("0.005")
#: Below this, in the pair's first currency, an order is an odd lot.
_MINIMUM = {"EUR": 20_000, "GBP": 20_000, "USD": 25_000}
_OTHER_MINIMUM = 25_000


def pairs(rates: Mapping[str, Decimal]) -> tuple[Listing, ...]:
    """A pair for any two of the currencies; ``rates`` are US dollars a unit."""
    dollars = {**rates, "USD": Decimal(1)}
    names = sorted(dollars, key=lambda c: (_FIRST.index(c) if c in _FIRST else len(_FIRST), c))
    return tuple(_pairs(names, dollars))


def _pairs(names: list[str], dollars: Mapping[str, Decimal]) -> Iterator[Listing]:
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            price = dollars[first] / dollars[second]
            step = _COARSE if price > 20 else _STEP
            name = f"{first}.{second}"
            yield Listing(
                _CON_IDS.get(name) or _SYNTHETIC + crc32(name.encode()) % 9_000_000,
                first,
                (price / step).to_integral_value() * step,
                primary_exchange=VENUE,
                sec_type="CASH",
                currency=second,
                local_symbol=name,
                trading_class=name,
                long_name=f"{first}/{second} spot",
                tick=step,
                calendar=VENUE,
            )


def odd_lot(order: OrderSpec, listing: Listing) -> tuple[int, str] | None:
    """The notice that a small currency order earns."""
    least = _MINIMUM.get(listing.symbol, _OTHER_MINIMUM)
    if listing.sec_type != "CASH" or order.quantity >= least:
        return None
    return 399, (
        f"Order Message:\n{order.action} {order.quantity} {listing.ticker} Forex\n"
        f"Warning: Your order size is below the {listing.symbol} {least} IdealPro minimum and "
        f"will be routed as an odd lot order."
    )
