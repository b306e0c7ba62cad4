"""Secrets by name: systemd's credentials, else files beside the operator's own.

They are read when they are needed, so a changed one counts at once, and never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rebalancer.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where secrets are looked for."""

    #: The folder of accounts.yaml.
    beside: Path
    #: systemd's, if it gave one.
    held: Path | None = None

    @classmethod
    def of(cls, beside: Path, environ: Mapping[str, str]) -> Credentials:
        """Those that a program with this environment may read."""
        held = environ.get("CREDENTIALS_DIRECTORY", "")
        return cls(beside, Path(held) if held else None)

    def path(self, name: str) -> Path:
        """The file of a secret, whether or not it is there."""
        held = None if self.held is None else self.held / name
        return held if held is not None and held.exists() else self.beside / name

    def read(self, name: str) -> str:
        """Return a secret. Raises ``PermanentError`` if its file is not one line."""
        path = self.path(name)
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError as error:
            said = (error.strerror or type(error).__name__).lower()
            raise PermanentError(f"credential {name}: {path}: {said}") from None
        except UnicodeDecodeError:
            raise PermanentError(f"credential {name}: {path}: not ASCII") from None
        if len(lines) != 1 or not lines[0].strip() or not lines[0].isprintable():
            raise PermanentError(f"credential {name}: {path}: expected one line, the secret")
        return lines[0].strip()
