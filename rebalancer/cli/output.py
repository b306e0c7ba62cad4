"""Answers: JSON for scripts, tables and plain lines for people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click


def emit(value: Any) -> None:
    """Print a value as JSON on one line; dataclasses and decimals included."""
    click.echo(json.dumps(plain(value), ensure_ascii=False))


def plain(value: Any) -> Any:
    """Return what JSON knows: dataclasses become objects, decimals text, sets sorted lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


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
