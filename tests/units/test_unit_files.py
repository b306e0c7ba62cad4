from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.units import SYSTEM, exposure, instance

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="no systemd-analyze on PATH; install it with: apt-get install systemd",
)

#: systemd-analyze's figure; 0 is sealed off, 10 is root without a sandbox.
MOST = {"ib-gateway@paper.service": 3.0}
MOST_OF_ALL = 1.5

SERVICES = sorted(instance(path.name) for path in SYSTEM.glob("*.service"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system with the units and, as empty files, the programs they name."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(SYSTEM, root / "etc/systemd/system", symlinks=True)
    for unit in (root / "etc/systemd/system").rglob("*"):
        if unit.is_file():
            for program in re.findall(r"^Exec\w+=(/\S+)", unit.read_text(), re.MULTILINE):
                stub = root / program[1:]
                stub.parent.mkdir(parents=True, exist_ok=True)
                stub.touch(0o755)
    yield root
    shutil.rmtree(root)


def test_systemd_has_nothing_to_say_about_the_units(root: Path) -> None:
    units = sorted({instance(p.name) for p in SYSTEM.iterdir() if p.is_file()})
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={root}", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    # The exit status is 0 for keys that systemd does not know.
    ours = [line for line in done.stderr.splitlines() if "rebalancer" in line or "ib-g" in line]
    assert ours == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_is_more_exposed_than_allowed(root: Path, service: str) -> None:
    assert exposure(service, f"--root={root}", "--offline=yes") <= MOST.get(
        service, MOST_OF_ALL
    )
