"""A disposable VPS: a real systemd as PID 1, in a network of its own, reached by SSH.

::

    with vps() as host:
        host.run("systemctl is-system-running --wait")

What it cannot show: limits of memory (where this machine has no unified cgroups), the loss of
power (this machine's page cache survives a crash of the host), another kernel.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.redis_server import free_port
from tests.system import cgroups, trees
from tests.system.network import Link, link

#: systemd-nspawn's exit status when the guest asked for a reboot.
_REBOOT = 133
#: Seconds for a boot until SSH answers, and for an orderly end.
_DEADLINE = 60.0

_NSPAWN = (
    "systemd-nspawn",
    "--quiet",
    "--boot",
    "--register=no",
    "--keep-unit",
    "--console=pipe",
    "--link-journal=no",
    # Otherwise tzdata's installation fails, and with it all that depends on it.
    "--timezone=off",
    "--resolv-conf=copy-host",
    # Without these IPAddressDeny= is silently not enforced, and nftables fails.
    "--capability=CAP_BPF,CAP_NET_ADMIN",
    "--system-call-filter=bpf",
)

_SWITCHES = {
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    # The knobs of its own network are its own, as on any host.
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
}


def missing() -> str:
    """What this machine lacks to boot hosts, or ''."""
    if os.geteuid() != 0:
        return "only root may boot hosts"
    programs = ("systemd-nspawn", "mmdebstrap", "nft", "ip", "ssh", "ssh-keygen")
    lacking = [name for name in programs if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


@contextmanager
def vps(suite: str = "bookworm", extra: tuple[str, ...] = ()) -> Iterator[Host]:
    """Boot a bare host with the ``extra`` packages; nothing of it is left afterwards."""
    kept = trees.tree(suite, extra)
    with (
        tempfile.TemporaryDirectory(prefix="vps-", dir=trees.cache()) as folder,
        link() as network,
    ):
        host = Host(Path(folder), network)
        trees.copy(kept, host.root)
        host.prepare()
        host.boot()
        try:
            yield host
        finally:
            host.shutdown()


@dataclass
class Host:
    """One machine. It may be crashed, rebooted and booted again; its disk survives."""

    folder: Path
    network: Link
    _process: subprocess.Popen[bytes] | None = None
    _keeper: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def root(self) -> Path:
        """Its disk, as seen from outside; only to be written to while it is off."""
        return self.folder / "root"

    @property
    def address(self) -> str:
        """Where the internet finds it."""
        return self.network.address

    @property
    def key(self) -> Path:
        """The private key of its administrator, user ``root``."""
        return self.folder / "id_ed25519"

    @property
    def console(self) -> Path:
        """What systemd and the kernel said at every boot."""
        return self.folder / "console.log"

    def prepare(self) -> None:
        """Let its administrator in, by a key made for this host alone."""
        make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)]
        subprocess.run(make_key, check=True)
        folder = self.root / "root/.ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(self.key.with_suffix(".pub"), folder / "authorized_keys")
        (self.root / "etc/hostname").write_text("vps\n")
        with (self.root / "etc/hosts").open("a") as hosts:
            hosts.write("127.0.1.1 vps\n")

    # -- power ---------------------------------------------------------------------------

    def boot(self) -> None:
        """Switch it on and wait until SSH answers. A reboot asked for inside is carried out."""
        self._ended.clear()
        self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()
        self.wait_for_ssh()

    def crash(self) -> None:
        """Cut it off: every process inside is killed at once, nothing is put away."""
        self._forget_connection()
        self._ended.set()
        os.kill(self._init(), signal.SIGKILL)
        self._wait_off()

    def shutdown(self) -> None:
        """Switch it off for good; how it ends matters to nobody any more."""
        if self._process is not None and self._process.poll() is None:
            self.crash()
        cgroups.remove(self.network.namespace)

    def reboot(self) -> None:
        """Ask it to reboot, in order, and wait until it is back."""
        before = self.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1")
        self.run("systemctl reboot", check=False)
        self._forget_connection()

        def back() -> bool:
            now = self.run(
                "cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1", check=False
            )
            return now not in {"", before}

        until(back, "it did not come back from its reboot", _DEADLINE)

    def _start(self) -> None:
        namespace = f"/run/netns/{self.network.namespace}"
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                [
                    *cgroups.inside(self.network.namespace),
                    *_NSPAWN,
                    f"--directory={self.root}",
                    f"--network-namespace-path={namespace}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **_SWITCHES},
                start_new_session=True,
            )

    def _keep(self) -> None:
        process = self._process
        while process is not None and process.wait() == _REBOOT and not self._ended.is_set():
            self._start()
            process = self._process

    def _init(self) -> int:
        """The process id of its PID 1, as this machine counts."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return int(children.read_text().split()[-1])

    def _wait_off(self) -> None:
        assert self._process is not None
        assert self._keeper is not None
        try:
            self._process.wait(_DEADLINE)
        except subprocess.TimeoutExpired:
            os.kill(self._init(), signal.SIGKILL)
            self._process.wait(_DEADLINE)
        self._keeper.join(_DEADLINE)

    # -- SSH -----------------------------------------------------------------------------

    def ssh_options(self) -> list[str]:
        """Options with which any OpenSSH client reaches it: ``ssh OPTIONS root@ADDRESS``."""
        return [
            f"-oIdentityFile={self.key}",
            "-oIdentitiesOnly=yes",
            f"-oUserKnownHostsFile={self.folder}/known_hosts",
            "-oStrictHostKeyChecking=accept-new",
            "-oBatchMode=yes",
            "-oConnectTimeout=5",
            "-oServerAliveInterval=5",
            "-oLogLevel=ERROR",
        ]

    def run(
        self,
        command: str,
        *,
        check: bool = True,
        stdin: str | bytes = b"",
        deadline: float = 120.0,
    ) -> str:
        """Run a shell command as root and return its output, stripped.

        With ``check`` a failure fails the test, with both outputs.
        """
        given = stdin.encode() if isinstance(stdin, str) else stdin
        line = ["ssh", *self.ssh_options(), *self._shared(), f"root@{self.address}", command]
        done = subprocess.run(
            line, input=given, capture_output=True, check=False, timeout=deadline
        )
        out, err = (
            text.decode(errors="replace").strip() for text in (done.stdout, done.stderr)
        )
        if check:
            assert done.returncode == 0, f"{command}: exit {done.returncode}\n{out}\n{err}"
        return out

    def succeeds(self, command: str) -> bool:
        """Whether a shell command exits with 0."""
        return self.run(f"({command}) >/dev/null 2>&1 && echo yes", check=False) == "yes"

    def put(self, content: str | bytes | Path, to: str, mode: str = "0644") -> None:
        """Write a file, owned by root; a ``Path`` is a file of this machine to copy."""
        data = content.read_bytes() if isinstance(content, Path) else content
        folder = str(Path(to).parent)
        self.run(
            f"mkdir -p {folder} && cat >{to}.put && chmod {mode} {to}.put && mv {to}.put {to}",
            stdin=data,
        )

    def put_tree(self, folder: Path, to: str) -> None:
        """Copy what is in a folder of this machine into one of the host's."""
        packed = subprocess.run(
            ["tar", "-C", folder, "--owner=root", "--group=root", "-cf", "-", "."],
            check=True,
            capture_output=True,
        ).stdout
        self.run(f"mkdir -p {to} && tar -C {to} -xf -", stdin=packed)

    @contextmanager
    def tunnel(
        self, port: int, *, user: str = "root", key: Path | None = None
    ) -> Iterator[int]:
        """A local port that leads to a loopback port of the host, through SSH."""
        local = free_port()
        options = [o for o in self.ssh_options() if not (key and "IdentityFile" in o)]
        options += [f"-oIdentityFile={key}"] if key else []
        line = ["ssh", *options, "-oExitOnForwardFailure=yes", "-N"]
        line += ["-L", f"127.0.0.1:{local}:127.0.0.1:{port}", f"{user}@{self.address}"]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL)
        try:
            until(lambda: _answers("127.0.0.1", local), f"no tunnel to port {port}", 10.0)
            yield local
        finally:
            process.terminate()
            process.wait(10.0)

    def wait_for_ssh(self) -> None:
        """Wait until its administrator can log in."""
        until(
            lambda: self.run("echo up", check=False) == "up",
            lambda: f"it did not come up:\n{self.console.read_text(errors='replace')[-2000:]}",
            _DEADLINE,
        )

    def wait_for(self, command: str, seconds: float = 30.0) -> None:
        """Wait until a shell command succeeds; the test fails after ``seconds``."""
        until(lambda: self.succeeds(command), lambda: self._told(command), seconds)

    def open_ports(self, ports: range | tuple[int, ...]) -> list[int]:
        """Those of the TCP ports that answer the internet."""
        return [port for port in ports if _answers(self.address, port)]

    def _told(self, command: str) -> str:
        said = self.run(f"{command}; systemctl --failed --no-legend", check=False)
        journal = self.run("journalctl -b --no-pager -n 40", check=False)
        return f"never true: {command}\n{said}\n{journal}"

    def _shared(self) -> list[str]:
        """One connection for all commands; each of its own would cost 0.2 s."""
        path = self.folder / "ssh"
        return ["-oControlMaster=auto", f"-oControlPath={path}", "-oControlPersist=yes"]

    def _forget_connection(self) -> None:
        line = ["ssh", *self._shared(), "-O", "exit", f"root@{self.address}"]
        subprocess.run(line, check=False, capture_output=True)
        (self.folder / "ssh").unlink(missing_ok=True)


def until(true: Callable[[], bool], why: str | Callable[[], str], seconds: float) -> None:
    """Wait for a condition; after ``seconds`` the test fails with ``why``."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(why if isinstance(why, str) else why())
        time.sleep(0.1)


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1.0):
            return True
    except OSError:
        return False
