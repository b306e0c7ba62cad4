"""A model in a file of its own: YAML or CSV, read anew whenever it is needed.

Whoever reads a file while another program writes it may see half of it, and half a model is a
wrong one. So a file has to end with a line's end, and to be the same before and after it was
read; writing it aside and renaming it is the way to be safe.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path
from typing import NamedTuple

import yaml

from rebalancer.errors import RetryableError
from rebalancer.settings.document import BadValueError, Item, parse
from rebalancer.settings.problems import InvalidSettingsError, Problem
from rebalancer.settings.sources import Source, Weights, written
from rebalancer.settings.targets import weights_of

#: Bytes; larger is no model.
LARGEST = 1_048_576
#: What the column of the weights may be called.
_WEIGHT_NAMES = ("weight", "allocation")


class Model(NamedTuple):
    """What a file says, and twelve hex digits of its content."""

    source: Source
    hash: str


def read_model(path: Path) -> Model:
    """Read a model file.

    Raises:
        RetryableError: it cannot be read now: missing, or being written.
        InvalidSettingsError: it says something that is no model.
    """
    raw = _whole(path)
    shown = str(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidSettingsError([Problem(shown, 0, "", "not UTF-8", "UTF-8")]) from None
    try:
        if path.suffix == ".csv":
            found: Source = _csv(text, shown)
        else:
            found = written(parse(text, shown))
    except BadValueError as bad:
        raise InvalidSettingsError(bad.problems) from None
    return Model(found, hashlib.sha256(raw).hexdigest()[:12])


def _whole(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            raw = file.read(LARGEST + 1)
        after = path.stat()
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise RetryableError(f"{path}: {said}") from None
    if len(raw) > LARGEST:
        problem = Problem(str(path), 0, "", f"more than {LARGEST} bytes", "a model")
        raise InvalidSettingsError([problem])
    same = [(s.st_ino, s.st_size, s.st_mtime_ns) for s in (before, after)]
    if same[0] != same[1] or len(raw) != after.st_size:
        raise RetryableError(f"{path}: it changed while it was read")
    if not raw.endswith(b"\n"):
        raise RetryableError(
            f"{path}: {'it is empty' if not raw else 'its last line has no end'}, so it may be "
            f"half written; write it aside and rename it"
        )
    return raw


def _csv(text: str, file: str) -> Weights:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    head: list[str] | None = None
    entries: dict[str, Item] = {}
    problems: list[Problem] = []
    try:
        for cells in reader:
            row, line = [cell.strip() for cell in cells], reader.line_num
            if not any(row):
                continue
            if head is None:
                head = _head(row, file, line)
                continue
            if len(row) != len(head):
                found, expected = f"{len(row)} columns", f"{len(head)} as in the first line"
                problems.append(Problem(file, line, "", found, expected))
                continue
            named = dict(zip(head, row, strict=True))
            symbol = named["symbol"]
            node = yaml.ScalarNode("tag:yaml.org,2002:str", named["weight"])
            if symbol in entries:
                again = f"it again (first on line {entries[symbol].line})"
                problems.append(Problem(file, line, symbol, again, "each symbol once"))
            entries.setdefault(symbol, Item(node, file, line, symbol))
    except csv.Error as error:
        problems.append(Problem(file, reader.line_num, "", str(error), "CSV"))
    if problems:
        raise BadValueError(*problems)
    if not entries:
        raise BadValueError(Problem(file, 0, "", "no symbols", "at least one with its weight"))
    return Weights(weights_of(entries))


def _head(row: list[str], file: str, line: int) -> list[str]:
    names = [cell.casefold() for cell in row]
    names = ["weight" if name in _WEIGHT_NAMES else name for name in names]
    if names.count("symbol") != 1 or names.count("weight") != 1:
        found, expected = f"the columns {', '.join(row)}", "symbol and weight in the first line"
        raise BadValueError(Problem(file, line, "", found, expected))
    return names
