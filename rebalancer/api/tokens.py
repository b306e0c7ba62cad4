"""The API's secrets: where they are, how they are read, made and compared."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rebalancer.errors import ConfigError
from rebalancer.settings.api_keys import Api

Role = Literal["reader", "operator"]

#: Shorter ones could be guessed.
SHORTEST = 32
#: Secret -> file name without a setting, and the setting.
FILES = {
    "operator": ("api_token", "token_file"),
    "reader": ("api_read_token", "read_token_file"),
    "webhook": ("webhook_secret", "webhook_secret_file"),
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The secrets in force; '' for one that there is not."""

    operator: str = ""
    reader: str = ""
    #: Signs webhooks.
    webhook: str = ""

    def __repr__(self) -> str:
        return "Tokens(***)"

    def role_of(self, token: str) -> Role | None:
        """Whose token it is. Takes as long for a wrong one, however much of it is right."""
        given = token.encode(errors="replace")
        found: Role | None = None
        for role, known in (("reader", self.reader), ("operator", self.operator)):
            if hmac.compare_digest(_digest(given), _digest(known.encode())) and known:
                found = "operator" if role == "operator" else "reader"
        return found

    def name_of(self, role: str) -> str:
        """Names the present token of a role without telling it; a new token has a new name."""
        known = self.operator if role == "operator" else self.reader
        return hashlib.sha256(f"name:{known}".encode()).hexdigest()[:16]


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def find(which: str, api: Api, beside: Path, environ: Mapping[str, str]) -> Path:
    """Where a secret is, or should be: a systemd credential, else beside rebalancer.yaml."""
    usual, setting = FILES[which]
    name = getattr(api, setting) or usual
    held = environ.get("CREDENTIALS_DIRECTORY", "")
    if held and Path(held, name).exists():
        return Path(held, name)
    return beside / Path(name).expanduser()


def read(path: Path, *, needed: bool) -> str:
    """Read one secret; '' if it is not there and not ``needed``.

    Raises:
        ConfigError: it is missing though needed, unreadable, too short or not one line.
    """
    make = f"make one with `rebalancer api token --create`, or put it into {path}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        if not needed:
            return ""
        raise ConfigError(f"{path}: no such file; {make}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; {make}") from None
    if len(lines) != 1 or len(lines[0]) < SHORTEST or not lines[0].isascii():
        raise ConfigError(f"{path}: not one line of {SHORTEST} or more characters; {make}")
    return lines[0]


def load(api: Api, beside: Path, environ: Mapping[str, str]) -> Tokens:
    """Read all of them. Raises ``ConfigError`` as ``read``."""

    def one(which: str) -> str:
        configured = bool(getattr(api, FILES[which][1]))
        needed = configured or (which == "operator" and api.auth == "token")
        return read(find(which, api, beside, environ), needed=needed)

    return Tokens(**{which: one(which) for which in FILES})


def create(path: Path) -> str:
    """Make a secret of 256 random bits in a new file that only its owner can read.

    Raises:
        ConfigError: the file is there already, or cannot be written.
    """
    token = secrets.token_urlsafe(32)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"{path} is there already; remove it first to get a new one"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; run this as the file's owner") from None
    with os.fdopen(file, "w", encoding="ascii") as out:
        out.write(token + "\n")
    return token
