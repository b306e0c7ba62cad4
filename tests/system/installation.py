"""The units on a booted host, put there by the plainest means: copied, enabled, started.

What the provisioning does beyond that (firewall, IBKR's own programs, upgrades) is tested where
it lives. The gateway here is the simulator, in the place of IBC and the gateway.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.system.host import Host

PROJECT = Path(__file__).parent.parent.parent
UNITS = PROJECT / "systemd"

#: Debian's packages that the units run or need to be installed.
PACKAGES = (
    "nftables",
    "novnc",
    "python3-venv",
    "redis-server",
    "websockify",
    "x11-utils",
    "x11vnc",
    "xvfb",
)

_PLACES = {
    "system": "/etc/systemd/system",
    "libexec": "/usr/local/lib/rebalancer",
    "sysusers.d": "/etc/sysusers.d",
    "tmpfiles.d": "/etc/tmpfiles.d",
    "sysctl.d": "/etc/sysctl.d",
    "journald.conf.d": "/etc/systemd/journald.conf.d",
    "redis": "/etc/redis",
}

#: What changes releases comes with the playbooks.
_SWITCH = PROJECT / "ansible/roles/rebalancer/files/rebalancer-release"

_REDIS_USERS = (
    *("operator", "broker", "processor", "api", "notify"),
    *("sweeper", "monitor", "backup"),
)

_SETTINGS = """\
trading_mode: paper
redis:
  username: operator
  password_file: credentials/redis_operator
"""

_ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    strategy_name: all
strategies:
  all:
    targets: {VTI: 60%, BND: 40%}
"""

#: In the place of IBC: what it is told is kept, and the simulator listens as the gateway does.
_STAND_IN = """\
#!/bin/sh
printf '%s\\n' "$@" >"$STATE_DIRECTORY/arguments"
exec /opt/rebalancer/current/bin/rebalancer sim --host 0.0.0.0 --port "$(
    sed -n 's/^OverrideTwsApiPort=//p' "$RUNTIME_DIRECTORY/config.ini")" --always-open
"""


#: Debian's releases, and the Python of each.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}


def wheelhouse(folder: Path, suite: str) -> Path:
    """Everything that a host with this suite's Python needs, from nothing but the locks."""
    made = folder / "wheelhouse"
    command = [sys.executable, str(PROJECT / "packaging/wheelhouse.py")]
    subprocess.run([*command, "--python", PYTHONS[suite], "--to", str(made)], check=True)
    return made


def install(host: Host, wheels: Path) -> None:
    """Put program, units, settings, credentials and the stand-in on the host; start nothing."""
    for folder, place in _PLACES.items():
        host.put_tree(UNITS / folder, place)
    host.put(_SWITCH, "/usr/local/sbin/rebalancer-release", "0755")
    host.run("systemd-sysusers && systemd-tmpfiles --create rebalancer.conf")
    host.put_tree(wheels, "/root/wheelhouse")
    release = "/opt/rebalancer/releases/0"
    pip = f"{release}/bin/pip install -q --no-index --find-links /root/wheelhouse"
    host.run(
        f"python3 -m venv {release}"
        f" && {pip} --require-hashes -r /root/wheelhouse/install.lock"
        f" && ln -s {release} /opt/rebalancer/current"
        " && ln -s /opt/rebalancer/current/bin/rebalancer /usr/local/bin/rebalancer"
    )
    configure(host)


def configure(host: Host) -> None:
    """Write settings and credentials, as a person would."""
    for name, text in (("rebalancer", _SETTINGS), ("accounts", _ACCOUNTS)):
        host.put(text, f"/etc/rebalancer/{name}.yaml", "0640")
    host.run("chgrp rebalancer /etc/rebalancer/*.yaml")
    secrets = {f"redis_{name}": f"secret-of-{name}" for name in _REDIS_USERS}
    secrets |= {"ib_paper_username": "user", "ib_paper_password": "not on disk"}
    secrets |= {"vnc_password": "eightchr", "api/token": "a" * 43}
    for name, secret in secrets.items():
        host.put(f"{secret}\n", f"/etc/rebalancer/credentials/{name}", "0600")
    host.put("IB_VERSION=1045\nIB_JAVA=/bin\n", "/etc/rebalancer/gateway.env")
    host.put("IbLoginId=other\nReadOnlyApi=no\n", "/etc/rebalancer/ibc-paper.ini")
    host.put(_STAND_IN, "/opt/ibc/scripts/ibcstart.sh", "0755")
