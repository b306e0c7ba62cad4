"""The disposable host itself: what the other tests on hosts rely on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.system.host import Host, vps


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with vps() as host:
        yield host


def test_systemd_is_up_and_nothing_failed(host: Host) -> None:
    assert host.run("systemctl is-system-running --wait") == "running"


def test_only_ssh_answers_the_internet(host: Host) -> None:
    assert host.open_ports((22, 80, 443, 4001, 4002, 5900, 6080, 6379, 8000)) == [22]


def test_it_reaches_the_internet(host: Host) -> None:
    host.run("apt-get update -qq")


def test_the_knobs_of_its_network_are_its_own(host: Host) -> None:
    host.put("net.ipv4.ip_forward = 0\n", "/etc/sysctl.d/test.conf")
    host.run("systemctl restart systemd-sysctl")
    assert host.run("sysctl -n net.ipv4.ip_forward") == "0"
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"


def test_the_disk_survives_a_crash_and_a_reboot(host: Host) -> None:
    host.put("kept", "/var/lib/kept")
    host.crash()
    host.boot()
    host.reboot()
    assert host.run("cat /var/lib/kept") == "kept"


def test_a_loopback_port_is_reached_through_ssh_only(host: Host) -> None:
    host.run(
        "systemd-run --unit=web python3 -m http.server --bind 127.0.0.1 --directory / 8000"
    )
    host.wait_for("ss -ltn | grep -q 127.0.0.1:8000")
    assert host.open_ports((8000,)) == []
    host.put("through SSH", "/srv/page")
    with host.tunnel(8000) as port, urlopen(f"http://127.0.0.1:{port}/srv/page") as page:
        assert page.read() == b"through SSH"
