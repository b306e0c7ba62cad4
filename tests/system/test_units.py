"""The units at work on a booted host, from the first start to the restored backup.

One host serves all: the tests run in their order, and each leaves the installation running.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from tests.system import installation
from tests.system.host import Host, until, vps
from tests.units import SYSTEM, instance

#: `TEST_HOST_SUITE=trixie make test-system` boots Debian 13.
SUITE = os.environ.get("TEST_HOST_SUITE", "bookworm")

ENABLED = (
    *("rebalancer.target", "rebalancer-broker", "rebalancer-processor"),
    *("rebalancer-api", "rebalancer-notify", "rebalancer-health.timer"),
    *("rebalancer-sweep-retry.timer", "rebalancer-sweep-delayed.timer"),
    *("rebalancer-sweep-leases.timer", "rebalancer-redis-ping.timer"),
    *("rebalancer-backup.timer", "ib-gateway-display", "ib-gateway-vnc", "ib-gateway-novnc"),
    *("ib-gateway@paper", "ib-gateway-nat@paper", "ib-gateway-proxy@paper.socket"),
)
RUNNING = (
    *("redis-server", "rebalancer-broker", "rebalancer-processor", "ib-gateway@paper"),
    *("rebalancer-api", "rebalancer-notify"),
    *("ib-gateway-display", "ib-gateway-vnc", "ib-gateway-novnc"),
)
#: Of one core, all units together with what they cost systemd and the journal.
IDLE = 0.005
MEASURED_SECONDS = 25

#: The server that the host's packages come from is known to be reachable.
OUTSIDE = "$(grep -rhoE 'https?://[^/ ]+' /etc/apt/sources.list* | head -1 | cut -d/ -f3)"
REACH = "python3 -c 'import socket,sys; socket.create_connection(sys.argv[1:3], 3)'"
REDIS = "REDISCLI_AUTH=secret-of-operator redis-cli --user operator"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    wheels = installation.wheelhouse(tmp_path_factory.mktemp("wheels"), SUITE)
    with vps(SUITE, installation.PACKAGES) as host:
        installation.install(host, wheels)
        host.run(f"systemctl daemon-reload && systemctl enable -q {' '.join(ENABLED)}")
        host.run("systemctl restart systemd-sysctl redis-server")
        host.run("systemctl start rebalancer.target")
        yield host


def wait_until_well(host: Host, seconds: float = 60.0) -> None:
    """Wait until the daemons run, and the gateway and Redis answer them."""
    host.wait_for(f"systemctl is-active {' '.join(RUNNING)}", seconds)
    host.wait_for("rebalancer doctor", seconds)
    host.wait_for("/usr/local/lib/rebalancer/health", seconds)


def redis(host: Host, command: str) -> str:
    return host.run(f"{REDIS} {command}")


def put_in_delayed(host: Host, name: str, due: float) -> None:
    """Write an event into the set by hand, for an account that is not traded."""
    event = {
        "event_id": name,
        "account_id": "U1",
        "exec_command": "rebalance",
        "received_at": due,
        "source": "hand",
        "priority": "normal",
        "attempt": 0,
    }
    redis(host, f"zadd delayed_execution_set {due} '{json.dumps(event)}'")


def test_everything_starts_at_the_first_try(host: Host) -> None:
    wait_until_well(host)
    assert host.run("systemctl --failed --no-legend") == ""
    restarts = host.run(f"systemctl show -P NRestarts {' '.join(RUNNING)}")
    assert set(restarts.split()) == {"0"}


def test_systemd_has_nothing_to_say_and_no_service_is_exposed(host: Host) -> None:
    units = sorted({instance(path.name) for path in SYSTEM.iterdir() if path.is_file()})
    assert host.run(f"systemd-analyze verify --man=no {' '.join(units)} 2>&1") == ""
    services = [unit for unit in units if unit.endswith(".service")] + ["redis-server.service"]
    for service in services:
        most = 30 if service == "ib-gateway@paper.service" else 15
        host.run(f"systemd-analyze security --threshold={most} {service} >/dev/null")


def test_only_loopback_is_listened_on(host: Host) -> None:
    listening = host.run("ss -Htln | awk '{print $4}' | grep -v ':22$'").split()
    assert sorted(listening) == [
        "127.0.0.1:4002",
        "127.0.0.1:5900",
        "127.0.0.1:6080",
        "127.0.0.1:6379",
        "127.0.0.1:8000",
    ]
    assert host.open_ports((22, 4001, 4002, 5900, 6080, 6379, 8000)) == [22]


def test_the_gateway_reaches_the_world_and_nothing_else_here(host: Host) -> None:
    inside = "nsenter -n -t $(systemctl show -P MainPID ib-gateway@paper)"
    assert "0.0.0.0:4002" in host.run(f"{inside} ss -Htln")
    host.run(f"{inside} {REACH} {OUTSIDE} 80")
    for port in (22, 6379):
        assert not host.succeeds(f"{inside} {REACH} 10.213.0.5 {port}")
    # Nor is it reached, but by its proxy.
    assert not host.succeeds(f"{REACH} 10.213.0.6 4002")


def test_a_firewall_that_is_loaded_anew_leaves_the_gateway_its_way(host: Host) -> None:
    # Debian's file begins with: flush ruleset.
    for how in ("start", "reload", "restart", "stop", "start"):
        host.run(f"systemctl {how} nftables")
        if how != "stop":
            host.wait_for("nft list tables | grep -q ib_gateway_paper")
    host.run("systemctl stop nftables && systemctl restart ib-gateway-nat@paper")


def test_the_password_is_in_memory_only(host: Host) -> None:
    found = host.run("grep -rl 'not on disk' /etc /opt/ibc /var /tmp /run", check=False)
    assert sorted(found.split()) == [
        "/etc/rebalancer/credentials/ib_paper_password",
        "/run/credentials/ib-gateway@paper.service/password",
        "/run/ib-gateway/paper/config.ini",
    ]
    assert (
        host.run("stat -c '%a %U' /run/ib-gateway/paper/config.ini /run/ib-gateway/paper")
        == "600 ibgateway\n700 ibgateway"
    )
    assert "--on2fatimeout=restart" in host.run("cat /var/lib/ibgateway/paper/arguments")


def test_a_signal_ends_in_fills(host: Host) -> None:
    host.run("rebalancer enqueue DU1000001 rebalance")
    host.wait_for("rebalancer history DU1000001 --json | grep -q completed")


def test_what_is_due_moves_within_two_seconds(host: Host) -> None:
    due = round(float(host.run("date +%s.%N")) + 2.0, 1)
    put_in_delayed(host, "due", due)
    host.wait_for("rebalancer journal --json | grep promoted | grep -q '\"due\"'")
    entries = host.run("rebalancer journal --json").splitlines()
    moved = [e for e in map(json.loads, entries) if e["kind"] == "promoted"]
    assert 0.0 <= moved[-1]["at"] - due <= 2.0
    assert "delayed: due of U1" in host.run("journalctl -b -u rebalancer-sweep-delayed")


def test_an_idle_installation_costs_next_to_nothing(host: Host) -> None:
    lines = int(host.run("journalctl -b -o cat | wc -l"))
    shares: list[str] = []
    # A machine that is busy with other things makes everything dearer: the best of three.
    for _ in range(3):
        before = used(host)
        time.sleep(MEASURED_SECONDS)
        spent = {name: at - before[name] for name, at in used(host).items() if name in before}
        share = sum(spent.values()) / MEASURED_SECONDS
        most = sorted(spent.items(), key=lambda item: -item[1])[:6]
        shares.append(f"{share:.2%} of a core: {most}")
        if share < IDLE:
            break
    print(shares)
    assert share < IDLE, shares
    assert int(host.run("journalctl -b -o cat | wc -l")) - lines < 20


def used(host: Host) -> dict[str, float]:
    """CPU seconds of systemd, the journal and all units but the stand-in of the gateway."""
    stats = host.run(
        "cd /sys/fs/cgroup && grep -H usage_usec init.scope/cpu.stat"
        " system.slice/{re,ib-,systemd-journald,dbus}*.service/cpu.stat"
        " system.slice/system-ib*/*proxy*/cpu.stat"
    )
    found = {}
    for line in stats.splitlines():
        path, _, count = line.partition(":usage_usec ")
        found[path] = int(count) / 1e6
    return found


def test_a_redis_that_hangs_is_restarted(host: Host) -> None:
    before = host.run("systemctl show -P MainPID redis-server")
    put_in_delayed(host, "kept", 4_000_000_000.0)
    host.run(f"kill -STOP {before}")
    host.wait_for(
        f"test $(systemctl show -P MainPID redis-server) -gt 1"
        f" && ! systemctl show -P MainPID redis-server | grep -qx {before}",
        60.0,
    )
    wait_until_well(host)
    assert "kept" in redis(host, "zrange delayed_execution_set 0 -1")


def test_daemons_outlive_a_redis_that_is_killed_or_away(host: Host) -> None:
    daemons = "rebalancer-broker rebalancer-processor"
    pids = host.run(f"systemctl show -P MainPID {daemons}")
    host.run("kill -9 $(systemctl show -P MainPID redis-server)")
    wait_until_well(host)
    host.run("systemctl stop redis-server")
    host.wait_for("journalctl -b -u rebalancer-sweep-retry | grep -q 'Redis is away'")
    host.run("systemctl start redis-server")
    wait_until_well(host)
    assert host.run(f"systemctl show -P MainPID {daemons}") == pids
    assert "kept" in redis(host, "zrange delayed_execution_set 0 -1")


def test_a_display_that_dies_comes_back_for_all(host: Host) -> None:
    display = host.run("systemctl show -P MainPID ib-gateway-display")
    host.run(f"kill -9 {display}")
    host.wait_for(
        "systemctl is-active ib-gateway-display ib-gateway-vnc"
        " && test -S /run/ib-gateway-display/X1"
        " && python3 -c 'import socket;"
        ' s = socket.create_connection(("127.0.0.1", 5900), 3);'
        ' assert s.recv(3) == b"RFB"\''
    )


def test_a_restarted_gateway_is_found_again(host: Host) -> None:
    # As an upgrade of systemd does: the gateway's network has to survive it.
    host.run("systemctl daemon-reexec && systemctl restart ib-gateway@paper")
    wait_until_well(host)
    host.run("systemctl restart ib-gateway-netns@paper")
    wait_until_well(host)
    inside = "nsenter -n -t $(systemctl show -P MainPID ib-gateway@paper)"
    host.wait_for(f"{inside} {REACH} {OUTSIDE} 80")


def test_the_whole_is_stopped_and_started_by_its_target(host: Host) -> None:
    host.run("systemctl stop rebalancer.target")
    ours = "systemctl list-units --plain --no-legend 'rebalancer*' 'ib-gateway*'"
    left = f"{ours} --state=active,activating,deactivating | cut -d' ' -f1"
    # The users of Redis stay as long as Redis may start.
    host.wait_for(f'test "$({left})" = rebalancer-redis-acl.service')
    assert "ib_gateway" not in host.run("nft list tables")
    host.run("systemctl start rebalancer.target")
    wait_until_well(host)


def test_a_backup_is_restored_after_everything_was_lost(host: Host) -> None:
    host.run("systemctl start rebalancer-backup")
    (file,) = host.run("ls /var/backups/rebalancer/*.tar.gz").split()
    assert host.run(f"stat -c '%a %U' {file}") == "600 rebalancer-backup"
    host.run("systemctl stop rebalancer.target redis-server")
    host.run("rm -rf /etc/rebalancer /var/lib/redis/* /var/lib/ibgateway/paper")
    host.run(f"/usr/local/lib/rebalancer/restore {file}")
    # What was done since the backup is not in it: a person looks first.
    assert "restored from" in redis(host, "hgetall rebalance_halts")
    host.run("rebalancer resume")
    wait_until_well(host)
    assert "kept" in redis(host, "zrange delayed_execution_set 0 -1")
    assert "completed" in host.run("rebalancer history DU1000001 --json")
    host.run("rebalancer history verify && test -e /var/lib/ibgateway/paper/arguments")
    # And from now on it is as durable as before.
    host.run("kill -9 $(systemctl show -P MainPID redis-server)")
    wait_until_well(host)
    assert "kept" in redis(host, "zrange delayed_execution_set 0 -1")


def test_old_backups_make_room(host: Host) -> None:
    host.run(
        "cd /var/backups/rebalancer && for n in $(seq -w 40); do"
        " touch rebalancer-202001${n}T000000Z.tar.gz; done"
    )
    host.run("systemctl start rebalancer-backup")
    kept = host.run("ls /var/backups/rebalancer").split()
    assert len(kept) == 30
    assert sum("20200" not in name for name in kept) == 2


def test_a_wrong_file_is_not_restored(host: Host) -> None:
    host.run("echo no backup >/root/wrong.tar.gz")
    assert not host.succeeds("/usr/local/lib/rebalancer/restore /root/wrong.tar.gz")
    assert host.run("systemctl is-active rebalancer-processor") == "active"


def test_all_comes_back_after_a_crash_and_a_reboot(host: Host) -> None:
    host.crash()
    host.boot()
    wait_until_well(host)
    host.reboot()
    wait_until_well(host)
    assert host.run("systemctl --failed --no-legend") == ""
    assert "kept" in redis(host, "zrange delayed_execution_set 0 -1")


def test_settings_that_are_wrong_stop_a_daemon_and_nothing_else(host: Host) -> None:
    host.run("echo nonsense: 1 >>/etc/rebalancer/rebalancer.yaml")
    host.run("systemctl restart rebalancer-broker", check=False)
    until(
        lambda: host.run("systemctl is-failed rebalancer-broker", check=False) == "failed",
        "a broker with wrong settings goes on trying",
        30.0,
    )
    assert "nonsense" in host.run("journalctl -b -u rebalancer-broker")
    assert host.run("systemctl is-active rebalancer-processor") == "active"
