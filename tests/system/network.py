"""A network namespace behind a link of its own, with the way out masqueraded.

This machine sees the host inside as the internet would see a VPS: whatever port does not answer
at its address is closed to the world.
"""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: Names and addresses in use, and what forwarding was before the first of us.
_STATE = Path("/run/rebalancer-tests")
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")


@dataclass(frozen=True, slots=True)
class Link:
    """A namespace, and the address at which this machine reaches what runs in it."""

    namespace: str
    address: str
    #: This machine's end: the host's way to the internet.
    gateway: str


@contextmanager
def link() -> Iterator[Link]:
    """Make a namespace with a link to this machine; both are gone afterwards."""
    with _locked():
        number = next(n for n in range(1, 16_000) if not (_STATE / str(n)).exists())
        (_STATE / str(number)).touch()
        saved = _STATE / "ip_forward"
        if not saved.exists():
            saved.write_text(_FORWARD.read_text())
        _FORWARD.write_text("1")
    made = _numbered(number)
    try:
        _make(made, number)
        yield made
    finally:
        _run(f"nft delete table ip {made.namespace}", check=False)
        _run(f"ip netns delete {made.namespace}", check=False)
        _run(f"ip link delete {made.namespace}", check=False)
        with _locked():
            (_STATE / str(number)).unlink()
            if {path.name for path in _STATE.iterdir()} == {"lock", "ip_forward"}:
                _FORWARD.write_text((_STATE / "ip_forward").read_text())
                (_STATE / "ip_forward").unlink()


def _numbered(number: int) -> Link:
    # 198.18.0.0/15 is set aside for tests of networks (RFC 2544); each link has four addresses.
    high, low = divmod(number * 4, 256)
    net = f"198.18.{high}"
    return Link(f"vps{number}", f"{net}.{low + 2}", f"{net}.{low + 1}")


def _make(made: Link, number: int) -> None:
    name, inside = made.namespace, f"v{number}in"
    for command in (
        f"ip netns add {name}",
        f"ip link add {name} type veth peer name {inside}",
        f"ip link set {inside} netns {name} name eth0",
        f"ip address add {made.gateway}/30 dev {name}",
        f"ip link set {name} up",
        f"ip -n {name} address add {made.address}/30 dev eth0",
        f"ip -n {name} link set lo up",
        f"ip -n {name} link set eth0 up",
        f"ip -n {name} route add default via {made.gateway}",
        f"nft add table ip {name}",
        f"nft add chain ip {name} out {{ type nat hook postrouting priority 100 ; }}",
        f"nft add rule ip {name} out ip saddr {made.address} masquerade",
    ):
        _run(command)


def _run(command: str, *, check: bool = True) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, f"{command}: {done.stderr}"


@contextmanager
def _locked() -> Iterator[None]:
    _STATE.mkdir(parents=True, exist_ok=True)
    with (_STATE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
