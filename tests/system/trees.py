"""File systems of bare hosts: made once from Debian's archive, kept, copied for each."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What any VPS image brings, and no more: what the host needs beyond, it has to install.
BARE = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "openssh-server",
    "iproute2",
    "sudo",
    "ca-certificates",
    "procps",
)

#: A kept tree older than this is made anew, in seconds: its package lists would name packages
#: that the archive has replaced.
_KEEP = 7 * 86_400.0


def cache() -> Path:
    """Where trees are kept; ``TEST_HOST_CACHE`` names another place."""
    return Path(os.environ.get("TEST_HOST_CACHE", "/var/cache/rebalancer-tests"))


def tree(suite: str = "bookworm", extra: tuple[str, ...] = ()) -> Path:
    """A kept file system of Debian's ``suite`` with the ``extra`` packages installed."""
    packages = (*BARE, *extra)
    name = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:12]
    kept = cache() / f"{suite}-{name}"
    cache().mkdir(parents=True, exist_ok=True)
    with _lock(cache() / f"{kept.name}.lock"):
        if kept.exists() and time.time() - kept.stat().st_mtime > _KEEP:
            shutil.rmtree(kept)
        if not kept.exists():
            _make(suite, packages, kept)
    return kept


def copy(kept: Path, to: Path) -> None:
    """Copy a kept tree, with owners, links and attributes."""
    subprocess.run(["cp", "-a", "--reflink=auto", kept, to], check=True)


def _make(suite: str, packages: tuple[str, ...], kept: Path) -> None:
    new = kept.with_name(f"{kept.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    subprocess.run(
        [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=apt",
            f"--include={','.join(packages)}",
            # Freshly made lists stay, so that no host has to fetch them again.
            "--skip=cleanup/apt/lists",
            # Services start at boot, under systemd, not while the tree is made.
            "--customize-hook=rm -f $1/etc/machine-id && : >$1/etc/machine-id",
            suite,
            str(new),
        ],
        check=True,
    )
    os.utime(new)  # mmdebstrap may date it back
    new.rename(kept)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
