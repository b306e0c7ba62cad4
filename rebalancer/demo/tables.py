"""What the demo shows people: a line per step, and tables of what was reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.markup import escape
from rich.table import Table

#: Journal kinds that are no news to somebody who watches.
_QUIET = frozenset({"queued", "pass", "unparked", "merged"})


def show_signal(console: Console, data: Mapping[str, Any]) -> None:
    """Print what the queue answered to a signal."""
    console.print(
        f"[bold]signal[/]   {data['key']:<24} {data['priority']:<7}"
        f"-> [cyan]{data['status']}[/]  [dim]{data['shows']}[/]",
        soft_wrap=True,
    )


def show_step(console: Console, kind: str, account_id: str, words: str) -> None:
    """Print one entry of the journal as it happens."""
    if kind not in _QUIET:
        told = escape(words)
        console.print(
            f"[bold]journal[/]  {account_id} {kind:<10} [dim]{told}[/]", soft_wrap=True
        )


def show_result(console: Console, result: Mapping[str, Any]) -> None:
    """Print holdings, orders and the figures of one rebalanced account."""
    account = result["account"]
    console.print()
    console.rule(f"[bold]{account['account_id']}[/]  {result['target']['source']}")
    console.print(_holdings(result))
    console.print(_orders(result))
    fills = [fill for order in result["orders"] for fill in order["fills"]]
    commission = sum((Decimal(f["commission"] or 0) for f in fills), Decimal(0))
    nav, cash = Decimal(account["net_liquidation"]), Decimal(account["total_cash"])
    console.print(
        f"drift [bold]{float(result['drift_before']):.2%} -> "
        f"{float(result['drift_reached']):.3%}[/] "
        f"(planned {float(result['drift_planned']):.3%})   "
        f"cash {cash:,.2f} {account['currency']} ({cash / nav:.2%})   "
        f"reserve {Decimal(result['plan']['reserve']):,.2f}   commissions {commission:,.2f}",
    )


def _holdings(result: Mapping[str, Any]) -> Table:
    table = Table("symbol", title="Holdings", title_justify="left")
    for name in ("target", "before", "after", "shares before", "shares after", "value"):
        table.add_column(name, justify="right")
    nav = Decimal(result["account"]["net_liquidation"])
    after = {p["symbol"]: p for p in result["account"]["positions"]}
    for line in result["plan"]["lines"]:
        held = after.get(line["symbol"], {"quantity": "0", "value": "0"})
        value = Decimal(held["value"] or 0)
        table.add_row(
            line["symbol"],
            f"{Decimal(line['target_weight']):.2%}",
            f"{Decimal(line['weight_before']):.2%}",
            f"{value / nav:.2%}",
            f"{Decimal(line['held']):,}",
            f"{Decimal(held['quantity']):,}",
            f"{value:,.2f}",
        )
    return table


def _orders(result: Mapping[str, Any]) -> Table:
    table = Table("order", title="Orders and fills", title_justify="left")
    for name in ("filled", "price", "commission", "fills"):
        table.add_column(name, justify="right")
    table.add_column("status")
    for order in result["orders"]:
        fills = order["fills"]
        commission = sum((Decimal(f["commission"] or 0) for f in fills), Decimal(0))
        action = fills[0]["action"] if fills else ""
        table.add_row(
            f"{action:<4} {order['order_ref'].rsplit(':', 1)[-1]}",
            f"{Decimal(order['filled']):,}",
            f"{Decimal(order['avg_price']):,.4f}",
            f"{commission:,.2f}",
            str(len(fills)),
            order["status"],
        )
    return table


def picture(console: Console) -> str:
    """Return what a recording console has shown as an SVG that needs no other file.

    rich's own template loads a font from the web; the reader's monospace font does as well.
    """
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="make demo", code_format=template)
