"""What the environment says: variables over keys, and secrets from files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from rebalancer.settings.document import BadValueError, Item, overlay
from rebalancer.settings.files import (
    ACCOUNTS_VARIABLE,
    CONFIG_VARIABLE,
    REPLACEMENTS_VARIABLE,
)
from rebalancer.settings.problems import Problem, did_you_mean
from rebalancer.settings.service import Service

PREFIX = "REBALANCER_"
#: systemd credential used for Redis when ``redis.password_file`` is not set.
REDIS_CREDENTIAL = "redis_password"

_OTHERS = (CONFIG_VARIABLE, ACCOUNTS_VARIABLE, REPLACEMENTS_VARIABLE)


def variables() -> dict[str, tuple[str, ...]]:
    """Every variable that overrides a key of rebalancer.yaml, and that key's path."""
    names: dict[str, tuple[str, ...]] = {}
    for top in dataclasses.fields(Service):
        inner = dataclasses.fields(top.default) if dataclasses.is_dataclass(top.default) else ()
        paths: list[tuple[str, ...]] = [(top.name, one.name) for one in inner]
        for path in paths or [(top.name,)]:
            names[PREFIX + "_".join(path).upper()] = path
    return names


def applied(root: Item, environ: Mapping[str, str]) -> tuple[Item, list[Problem]]:
    """Return the document with the variables over it, and the variables nobody knows."""
    known = variables()
    values: dict[tuple[str, ...], tuple[str, str]] = {}
    problems: list[Problem] = []
    for name, text in environ.items():
        # An empty variable is one that an environment file leaves unset.
        if not name.startswith(PREFIX) or not text or name in _OTHERS:
            continue
        if name in known:
            values[known[name]] = (name, text)
        else:
            # Ignored, a misspelled REBALANCER_TRADING_MODE would trade the wrong way.
            near = did_you_mean(name, [*known, *_OTHERS])
            problems.append(
                Problem("environment", 0, name, "no such setting", f"a known one{near}")
            )
    return overlay(root, values), problems


def redis_password(name: str, place: Item, *, beside: Path, environ: Mapping[str, str]) -> str:
    """Read the password of Redis from its file; '' when there is none.

    Args:
        name: ``redis.password_file``, or '' to use a systemd credential if there is one.
        place: Where that key stands, for errors.
        beside: The directory of rebalancer.yaml.
        environ: ``CREDENTIALS_DIRECTORY`` in it is systemd's.

    Raises:
        BadValueError: the file is missing, unreadable or not one line.
    """
    path = secret_path(name or REDIS_CREDENTIAL, beside=beside, environ=environ)
    if not name and not path.is_relative_to(environ.get("CREDENTIALS_DIRECTORY") or "/nowhere"):
        return ""
    expected = "a readable file with one line: the password"
    try:
        return one_line(path)
    except ValueError as error:
        raise BadValueError(place.problem(str(error), expected)) from None


def secret_path(name: str, *, beside: Path, environ: Mapping[str, str]) -> Path:
    """Where a secret's file is: a systemd credential if there is one, else a file."""
    held = environ.get("CREDENTIALS_DIRECTORY", "")
    if held and Path(held, name).exists():
        return Path(held, name)
    return beside / Path(name).expanduser()


def one_line(path: Path) -> str:
    """Read a secret. Raises ``ValueError``, which says what is wrong with the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise ValueError(f"{path}: {said}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8") from None
    if len(lines) != 1 or not lines[0]:
        raise ValueError(f"{path}: {len(lines)} lines")
    return lines[0]
