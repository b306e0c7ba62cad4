"""Playbooks on a booted host: what a person types, and what the host then has."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.gateway import VERSION, StandIn
from tests.system.host import Host

PROJECT = Path(__file__).parent.parent.parent
ANSIBLE = PROJECT / "ansible"

#: Two accounts of the simulated exchange.
ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    cash_reserve_percent: 1
    targets: {VTI: 60%, BND: 40%}
  - account_id: DU1000002
    type: paper
    cash_reserve_percent: 1
    targets: {VTI: 50%, BND: 50%}
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What a playbook said."""

    succeeded: bool
    output: str

    @property
    def end(self) -> str:
        """Its last words, where a failure stands."""
        return self.output[-4000:]

    @property
    def changes(self) -> str:
        """The tasks that changed something."""
        tasks = re.split(r"\n(?=TASK |RUNNING HANDLER )", self.output)
        return "\n".join(task for task in tasks if "changed: [" in task)

    @property
    def changed(self) -> int:
        """How many tasks changed something."""
        found = re.search(r"changed=(\d+)", self.output)
        assert found, self.output
        return int(found[1])


@dataclass(frozen=True, slots=True)
class Controller:
    """The machine that runs Ansible: an inventory with one host, and secrets."""

    folder: Path
    host: Host

    @property
    def tunnel_key(self) -> Path:
        """The private key of who may use the tunnel."""
        return self.folder / "tunnel"

    def prepare(self, gateway: StandIn, wheelhouse: Path) -> None:
        """Write what the operator of one paper account would."""
        make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.tunnel_key)]
        subprocess.run(make_key, check=True)
        (self.folder / "accounts.yaml").write_text(ACCOUNTS)
        inventory = self.folder / "inventory"
        (inventory / "group_vars").mkdir(parents=True)
        options = [option for option in self.host.ssh_options() if "Batch" not in option]
        connection = {
            "ansible_host": self.host.address,
            "ansible_user": "root",
            "ansible_ssh_common_args": " ".join(options),
        }
        hosts = {"rebalancer": {"hosts": {"vps": connection}}}
        (inventory / "hosts.yml").write_text(json.dumps(hosts))
        public = self.tunnel_key.with_suffix(".pub").read_text().strip()
        variables = {
            "base_tunnel_keys": [public],
            "ib_gateway_version": VERSION,
            "ib_gateway_installer_file": str(gateway.installer),
            "ib_gateway_installer_sha256": gateway.installer_sha256,
            "ib_gateway_ibc_file": str(gateway.ibc),
            "ib_gateway_ibc_sha256": gateway.ibc_sha256,
            "ib_gateway_credentials": {"paper": {"username": "me", "password": "no-disk"}},
            "rebalancer_wheelhouse": str(wheelhouse),
            "rebalancer_accounts_file": str(self.folder / "accounts.yaml"),
            "monitoring_enabled": True,
            "rebalancer_settings": {"gateway": {"windows": "none"}},
        }
        (inventory / "group_vars/rebalancer.yml").write_text(json.dumps(variables))

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Played:
        """Run a playbook to its end."""
        line = [str(Path(sys.executable).with_name("ansible-playbook")), playbook]
        line += ["--inventory", str(self.folder / "inventory"), *arguments]
        line += ["--extra-vars", json.dumps(variables)]
        done = subprocess.run(
            line,
            cwd=ANSIBLE,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        return Played(done.returncode == 0, done.stdout + done.stderr)


def next_release(wheelhouse: Path, version: str, to: Path, *, broken: bool = False) -> Path:
    """A wheelhouse with another version; a ``broken`` one's processor does not stay up."""
    source = to.with_name(f"source-{version}")
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    shutil.copytree(
        PROJECT / "rebalancer",
        source / "rebalancer",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    module = source / "rebalancer/__init__.py"
    module.write_text(re.sub(r'(__version__ = )".*"', rf'\1"{version}"', module.read_text()))
    if broken:
        start = source / "rebalancer/processor/start.py"
        start.write_text(f'{start.read_text()}\nraise SystemExit("out of order")\n')
    shutil.copytree(wheelhouse, to, ignore=shutil.ignore_patterns("ibkr_rebalancer-*"))
    make = (
        "import sys; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1]); import wheelhouse\n"
        "wheelhouse.PROJECT = Path(sys.argv[2]); folder = Path(sys.argv[3])\n"
        "wheelhouse.write_lock(folder, wheelhouse.build_own(folder))\n"
        "wheelhouse.write_sums(folder)\n"
    )
    command = [sys.executable, "-c", make, str(PROJECT / "packaging"), str(source), str(to)]
    subprocess.run(command, check=True)
    return to
