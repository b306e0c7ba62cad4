"""One command makes the host, and the others keep it: the whole way, on a host that boots.

One host serves all: the tests run in their order, from the bare machine to the empty one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.system import installation, screen
from tests.system.gateway import stand_in
from tests.system.host import Host, vps
from tests.system.provisioning import PROJECT, Controller, next_release

#: Which Debian; TEST_HOST_SUITE=trixie proves the other one.
SUITE = os.environ.get("TEST_HOST_SUITE", "bookworm")
PORTS = (22, 4001, 4002, 5900, 6080, 6379, 8000, 9100)
TUNNEL = "rebalancer-tunnel"
#: What is in a host's files, users and units; what programs keep for themselves left out.
INVENTORY = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /root \
    -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dpkg \
    -o -path /var/lib/systemd -o -path /var/tmp \) -prune -o -print | sort
"""


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installation.wheelhouse(tmp_path_factory.mktemp("wheels"), SUITE)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with vps(SUITE) as host:
        host.put(host.run(INVENTORY), "/root/before")
        yield host


@pytest.fixture(scope="module")
def controller(
    host: Host, wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory
) -> Controller:
    controller = Controller(tmp_path_factory.mktemp("controller"), host)
    controller.prepare(stand_in(controller.folder), wheelhouse)
    return controller


def wait_until_well(host: Host) -> None:
    host.wait_for("rebalancer doctor", 90.0)


def signal(host: Host, controller: Controller, account: str, command: str) -> str:
    """POST an event as its sender would, through the tunnel, with the token; return its id."""
    event = {"account_id": account, "exec_command": command}
    token = host.run("cat /etc/rebalancer/credentials/api/token")
    with host.tunnel(8000, user=TUNNEL, key=controller.tunnel_key) as port:
        request = Request(
            f"http://127.0.0.1:{port}/queue/events",
            json.dumps(event).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10.0) as answer:
            return str(json.load(answer)["event_id"])


def waits_for(host: Host, kind: str, event: str) -> None:
    """Wait until the journal tells this of the event."""
    host.wait_for(f"rebalancer journal --event {event} | grep -w {kind}", 90.0)


def redis(host: Host, command: str) -> str:
    password = "$(cat /etc/rebalancer/credentials/redis_operator)"
    return host.run(f"REDISCLI_AUTH={password} redis-cli --user operator {command}")


def test_a_public_address_is_refused_before_anything_changes(controller: Controller) -> None:
    refused = controller.play("site.yml", "--tags", "redis", redis_bind="0.0.0.0")
    assert not refused.succeeded
    assert "value of redis_bind must be one of: 127.0.0.1" in refused.output
    assert refused.changed == 0


def test_one_command_makes_the_host(host: Host, controller: Controller) -> None:
    made = controller.play("site.yml")
    assert made.succeeded, made.end
    wait_until_well(host)


def test_every_promise_is_kept(controller: Controller) -> None:
    verified = controller.play("verify.yml")
    assert verified.succeeded, verified.end
    assert "BROKEN" not in verified.output


def test_from_outside_only_ssh_answers(host: Host) -> None:
    assert host.open_ports(PORTS) == [22]


def test_a_signal_through_the_tunnel_ends_in_fills(host: Host, controller: Controller) -> None:
    event = signal(host, controller, "DU1000001", "rebalance")
    waits_for(host, "completed", event)
    assert host.run(f"rebalancer journal --event {event}").count("filled at") == 2


def test_the_tunnel_leads_nowhere_else(host: Host, controller: Controller) -> None:
    options = [f"-oIdentityFile={controller.tunnel_key}", *host.ssh_options()[1:]]
    shell = ["ssh", *options, f"{TUNNEL}@{host.address}", "id"]
    told = subprocess.run(shell, capture_output=True, check=False)
    assert told.returncode != 0
    assert b"uid=" not in told.stdout

    def said(port: int, words: bytes) -> bytes:
        through = ["ssh", *options, "-W", f"127.0.0.1:{port}", f"{TUNNEL}@{host.address}"]
        return subprocess.run(through, input=words, capture_output=True, check=False).stdout

    assert said(8000, b"GET /health/live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.")
    assert said(6379, b"PING\r\n") == b""


@pytest.mark.skipif(not screen.CHROMIUM.exists(), reason=f"no {screen.CHROMIUM}")
def test_the_gateways_window_is_seen_in_a_browser(host: Host, controller: Controller) -> None:
    password = host.run("cat /etc/rebalancer/credentials/vnc_password")
    picture = PROJECT / f"build/system/novnc-{SUITE}.png"
    pixels = screen.seen(host, password, picture, TUNNEL, controller.tunnel_key)
    assert pixels > 100_000  # of 600 x 400


def test_a_second_run_finds_nothing_to_do(controller: Controller) -> None:
    again = controller.play("site.yml", "--diff")
    assert again.succeeded, again.end
    assert again.changed == 0, again.changes


def test_a_dry_run_changes_nothing_and_says_so(controller: Controller) -> None:
    dry = controller.play("site.yml", "--check", "--diff")
    assert dry.succeeded, dry.end
    assert dry.changed == 0, dry.changes


def test_queues_survive_redis_killed_the_host_crashed_and_rebooted(
    host: Host, controller: Controller
) -> None:
    host.run("systemctl stop rebalancer-processor")
    events = [
        signal(host, controller, account, "print-positions")
        for account in ("DU1000001", "DU1000002")
    ]
    waiting = redis(host, "lrange rebalance_queue 0 -1")
    host.run("kill -9 $(systemctl show -P MainPID redis-server)")
    host.wait_for("systemctl is-active redis-server && rebalancer queue status", 30.0)
    assert redis(host, "lrange rebalance_queue 0 -1") == waiting
    host.crash()
    host.boot()
    wait_until_well(host)
    for event in events:
        waits_for(host, "completed", event)
    host.reboot()
    wait_until_well(host)
    host.run("rebalancer history verify")
    assert host.run("systemctl --failed --no-legend") == ""
    assert host.open_ports(PORTS) == [22]


def test_an_upgrade_in_the_middle_of_an_event(
    host: Host, controller: Controller, wheelhouse: Path, tmp_path: Path
) -> None:
    # Every answer of the gateway takes its time: the event lasts longer than the switch.
    host.put("700", "/var/lib/ibgateway/paper/latency-ms")
    host.run("systemctl restart ib-gateway@paper")
    wait_until_well(host)
    following = next_release(wheelhouse, "99.1", tmp_path / "next")
    upgraded = []
    upgrade = threading.Thread(
        target=lambda: upgraded.append(
            controller.play("upgrade.yml", rebalancer_wheelhouse=str(following))
        )
    )
    upgrade.start()
    host.wait_for("test -e /opt/rebalancer/releases/99.1/.complete", 120.0)
    event = signal(host, controller, "DU1000002", "rebalance")
    waits_for(host, "leased", event)
    upgrade.join()
    assert upgraded[0].succeeded, upgraded[0].end
    assert host.run("rebalancer --version").endswith("99.1")
    waits_for(host, "completed", event)
    host.run("rm /var/lib/ibgateway/paper/latency-ms && systemctl restart ib-gateway@paper")
    wait_until_well(host)
    # Each order once.
    told = host.run(f"rebalancer journal --event {event}")
    assert told.count("filled at") == 2, told
    host.run("rebalancer history verify")


def test_a_bad_release_goes_back_by_itself(
    host: Host, controller: Controller, wheelhouse: Path, tmp_path: Path
) -> None:
    bad = next_release(wheelhouse, "99.2", tmp_path / "bad", broken=True)
    refused = controller.play("upgrade.yml", rebalancer_wheelhouse=str(bad))
    assert not refused.succeeded
    assert "99.1 runs; 99.2: rebalancer-processor.service" in refused.output
    assert host.run("rebalancer --version").endswith("99.1")
    wait_until_well(host)


def test_a_person_goes_back(host: Host, controller: Controller) -> None:
    back = controller.play("rollback.yml")
    assert back.succeeded, back.end
    assert not host.run("rebalancer --version").endswith("99.1")
    wait_until_well(host)


def test_a_host_that_crashes_in_the_middle_of_a_switch_finishes_it(host: Host) -> None:
    host.run("systemd-run --quiet rebalancer-release switch 99.1")
    host.wait_for("test -e /opt/rebalancer/switch.json")
    host.crash()
    host.boot()
    host.wait_for("test ! -e /opt/rebalancer/switch.json", 90.0)
    assert host.run("rebalancer-release list").count("runs") == 1
    assert host.run("rebalancer --version").endswith("99.1")
    wait_until_well(host)


def test_a_backup_is_restored_after_everything_was_lost(
    host: Host, controller: Controller
) -> None:
    before = host.run("rebalancer history")
    saved = controller.play("backup.yml", backup_to=str(controller.folder / "backups"))
    assert saved.succeeded, saved.end
    (file,) = (controller.folder / "backups").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    host.run("systemctl stop rebalancer.target redis-server")
    host.run("rm -rf /var/lib/redis/* /etc/rebalancer /var/lib/rebalancer /var/lib/ibgateway")
    restored = controller.play("restore.yml", restore_from=str(file))
    assert restored.succeeded, restored.end
    wait_until_well(host)
    assert host.run("rebalancer history") == before
    assert "HALTED" in host.run("rebalancer queue status")
    host.run("rebalancer resume")
    waits_for(host, "completed", signal(host, controller, "DU1000001", "print-orders"))
    verified = controller.play("verify.yml")
    assert verified.succeeded, verified.end


def test_nothing_is_left(host: Host, controller: Controller) -> None:
    asked = controller.play("uninstall.yml")
    assert "If that is meant" in asked.output
    removed = controller.play("uninstall.yml", uninstall_confirm=True)
    assert removed.succeeded, removed.end
    host.put(host.run(INVENTORY), "/root/after")
    # Files that belong to a package of the distribution are its own.
    left = host.run(
        "comm -13 /root/before /root/after | comm -23 - <(cat /var/lib/dpkg/info/*.list"
        r" | sed -E 's#^/(bin|sbin|lib)/#/usr/\1/#' | sort -u)"
    ).splitlines()
    words = r"rebalancer|gateway|redis|firewall|tunnel|vnc|/ibc|xvfb|prometheus"
    assert [path for path in left if re.search(words, path)] == []
    made_by_packages = ("/etc/", "/usr/lib/python3", "/usr/share/", "/var/lib/")
    strangers = [path for path in left if not path.startswith(made_by_packages)]
    # Names that Debian's packages share are links that no package's list has.
    alternative = "readlink {} | grep -q ^/etc/alternatives/"
    assert [path for path in strangers if not host.succeeds(alternative.format(path))] == []
    for name in ("rebalancer", "ibgateway", "novnc", "redis", TUNNEL):
        assert not host.succeeds(f"getent passwd {name} || getent group {name}")
    units = "systemctl list-units --all --plain --no-legend"
    assert host.run(f"{units} 'rebalancer*' 'ib-gateway*' 'redis*'") == ""
    assert set(host.run("ss -Hltn | awk '{print $4}' | sed 's/.*://'").split()) == {"22"}
    assert not host.succeeds("nft list tables | grep host_firewall")
