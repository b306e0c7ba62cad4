"""Make a folder with everything that a host needs to install the rebalancer: no registry there.

    python packaging/wheelhouse.py [--python 3.13] [--to dist/wheelhouse]

In it are this project's wheel, the wheels of packaging/requirements.lock for one version of
Python on 64-bit Linux, ``install.lock``, which names them all with their hashes, and
``SHA256SUMS``. The same inputs give the same bytes. On the host:

    python3 -m venv VENV
    VENV/bin/pip install --no-index --find-links WHEELHOUSE --require-hashes -r \
        WHEELHOUSE/install.lock
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.markers import Marker

PROJECT = Path(__file__).parent.parent
LOCK = PROJECT / "packaging/requirements.lock"

#: The date of every file in our wheel: the beginning of time, as ZIP counts it. The date of a
#: build says nothing about what was built.
EPOCH = "315532800"

#: glibc 2.28 is older than that of any host meant: Debian 12 has 2.36.
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


def build_own(folder: Path) -> Path:
    """Build this project's wheel into ``folder``."""
    # Another process, since the builder reads its project from the current directory.
    build = "import sys; from flit_core.buildapi import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(folder.resolve())],
        check=True,
        cwd=PROJECT,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
    )
    (wheel,) = folder.glob("ibkr_rebalancer-*.whl")
    return wheel


def locked_for(python: str) -> str:
    """The lock's entries that some release of ``python``, as 3.11, needs; without conditions.

    pip would judge the conditions by the Python that it runs on.
    """
    chosen = []
    for entry in re.findall(r"^[a-z].*\n(?:[ #].*\n)*", LOCK.read_text(), re.MULTILINE):
        found = re.match(r"(\S+) ; (.*?)( \\\n.*)", entry, re.DOTALL)
        if found is None:
            chosen.append(entry)
        elif any(
            Marker(found[2]).evaluate({"python_full_version": f"{python}.{patch}"})
            for patch in (0, 999)
        ):
            chosen.append(found[1] + found[3])
    return "".join(chosen)


def download(folder: Path, python: str) -> None:
    """Fetch the wheels of the lock for ``python``, each held against its hash."""
    machine = platform.machine()
    tags = [f"--platform={tag}_{machine}" for tag in _PLATFORMS]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--require-hashes", "--no-deps"]
    command += ["--only-binary=:all:", f"--python-version={python}", *tags]
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as lock:
        lock.write(locked_for(python))
        lock.flush()
        subprocess.run([*command, "-r", lock.name, "-d", str(folder)], check=True)


def write_lock(folder: Path, own: Path) -> None:
    """Write ``install.lock``: the lock, and our wheel by its hash."""
    version = own.name.split("-")[1]
    ours = f"ibkr-rebalancer=={version} --hash=sha256:{_sha256(own)}\n"
    (folder / "install.lock").write_text(ours + LOCK.read_text())


def write_sums(folder: Path) -> None:
    """Write ``SHA256SUMS`` over everything else, for ``sha256sum --check``."""
    sums = folder / "SHA256SUMS"
    sums.unlink(missing_ok=True)
    files = sorted(folder.iterdir())
    sums.write_text("".join(f"{_sha256(path)}  {path.name}\n" for path in files))


def make(folder: Path, python: str) -> None:
    """Make the whole folder; what was in its place is replaced once it is complete."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    own = build_own(new)
    download(new, python)
    write_lock(new, own)
    write_sums(new)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Read the arguments and make it."""
    here = ".".join(platform.python_version_tuple()[:2])
    parser = argparse.ArgumentParser(description="Make a wheelhouse.")
    parser.add_argument("--python", default=here, help=f"version of the host ({here})")
    parser.add_argument("--to", type=Path, default=Path("dist/wheelhouse"))
    given = parser.parse_args()
    make(given.to, given.python)


if __name__ == "__main__":
    main()
