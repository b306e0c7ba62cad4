"""Answers: JSON for scripts, tables and plain lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from rebalancer.core.plain import plain


def emit(value: Any) -> None:
    """Print a value as JSON on one line; dataclasses and decimals included."""
    click.echo(json.dumps(plain(value), ensure_ascii=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; a column whose name begins with ``>`` is aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title or None, title_justify="left", header_style="bold")
    for name in columns:
        justify = "right" if name.startswith(">") else "left"
        shown.add_column(name.removeprefix(">"), justify=justify)  # type: ignore[arg-type]
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))  # Text: brackets are no markup
    Console().print(shown)


def moment(at: float) -> str:
    """Unix seconds as UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
