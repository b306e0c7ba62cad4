"""What the doctor finds, and what it asks Redis, the gateway and the host for.

Each check is a function that returns findings; none of them changes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rebalancer.errors import GatewayError, QueueError, RebalancerError
from rebalancer.queue import moves
from rebalancer.queue.move import command

if TYPE_CHECKING:
    from pathlib import Path

    from rebalancer.gateway.connection import Connection
    from rebalancer.queue.store import Queue
    from rebalancer.queue.values import Halt
    from rebalancer.settings import Service, Settings

#: Seconds of disagreement between clocks that begin to matter for leases and hours.
SKEW = 2.0
#: Seconds after which a daemon that said nothing counts as gone.
SILENCE = 30.0
#: Bytes of free disk below which an append-only file may soon fail.
FREE = 1_000_000_000
#: Our client id while looking: the processor's own is taken while it runs.
LOOKING = 990_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    level: Literal["ok", "warn", "fail"]
    subject: str
    text: str
    #: How to mend it; '' when it is well.
    remedy: str = ""


def redis_server(queue: Queue, shown: str, now: float) -> Iterator[Finding]:
    """Reachable, durable, never evicting, and of one time with us."""
    try:
        info = queue.run(command("INFO", parse=_info))
        seconds = queue.run(command("TIME", parse=_seconds))
    except QueueError as error:
        yield Finding("fail", "redis", str(error), "start Redis, or correct redis.url")
        return
    version = info.get("redis_version", "?")
    major = int(version.partition(".")[0]) if version[:1].isdigit() else 0
    if major >= 7:
        yield Finding("ok", "redis", f"{shown} answers, version {version}")
    else:
        yield Finding("fail", "redis", f"version {version}", "install Redis 7 or newer")
    yield from _durability(queue, info)
    yield from _memory(queue, info)
    yield _clock("redis clock", seconds - now)


def _durability(queue: Queue, info: Mapping[str, str]) -> Iterator[Finding]:
    if info.get("aof_enabled") != "1":
        lost = "the append-only file is off: a crash of Redis loses accepted events"
        yield Finding("fail", "redis persistence", lost, "set `appendonly yes` in redis.conf")
        return
    if "err" in (info.get("aof_last_write_status"), info.get("aof_last_bgrewrite_status")):
        failed = "the last write of the append-only file failed"
        yield Finding("fail", "redis persistence", failed, "look at free disk and Redis' log")
        return
    fsync = _configured(queue, "appendfsync")
    if fsync == "no":
        said = "append-only file on, but appendfsync is no"
        yield Finding("warn", "redis persistence", said, "set `appendfsync everysec`")
    else:
        yield Finding("ok", "redis persistence", f"append-only file on, appendfsync {fsync}")


def _memory(queue: Queue, info: Mapping[str, str]) -> Iterator[Finding]:
    policy = info.get("maxmemory_policy") or _configured(queue, "maxmemory-policy")
    if policy not in {"noeviction", "unknown"}:
        said = f"maxmemory-policy {policy}: Redis may throw events away"
        yield Finding("fail", "redis memory", said, "set `maxmemory-policy noeviction`")
    else:
        used = info.get("used_memory_human", "?")
        yield Finding("ok", "redis memory", f"{used} used, policy {policy}")


def queue_state(queue: Queue, now: float) -> Iterator[Finding]:
    """Dead letters, expired leases, halts, and whether the daemons live."""
    try:
        stats = queue.run(moves.stats(now=now))
        leased = queue.run(moves.list_events("leased", limit=1000)).items
        halts = queue.run(moves.halts())
        daemons = queue.run(moves.daemons())
    except QueueError as error:
        yield Finding("fail", "queue", str(error), "see docs/explanation/queue.md")
        return
    waiting = f"{stats.queued} queued, {stats.retrying} retrying, {stats.delayed} delayed"
    yield Finding("ok", "queue", f"{waiting}, {stats.leased} running")
    if stats.dead:
        said = f"{stats.dead} events in the dead letter"
        yield Finding("warn", "dead letter", said, "look: rebalancer queue list dead")
    stale = [item.event_id for item in leased if item.expires_at and item.expires_at < now]
    if stale:
        said = f"expired leases: {', '.join(stale[:5])}"
        yield Finding("warn", "leases", said, "run: rebalancer sweep leases")
    for halt in halts.values():
        if halt.scope.startswith("hold:"):
            yield _held(halt)
            continue
        scope = "" if halt.scope == "all" else " --" + halt.scope.replace(":", " ", 1)
        said = f"{halt.scope} is halted: {halt.reason}"
        yield Finding("warn", "halt", said, f"lift it: rebalancer resume{scope}")
    for name in ("broker", "processor"):
        yield _daemon(name, [d.at for d in daemons.values() if d.name.startswith(name)], now)


def _held(halt: Halt) -> Finding:
    account = halt.scope.removeprefix("hold:")
    remedy = f"look: rebalancer accounts show {account}; then: rebalancer accounts resume"
    said = f"orders are held: {halt.reason}"
    return Finding("fail", f"account {account}", said, f"{remedy} {account}")


def _daemon(name: str, seen: list[float], now: float) -> Finding:
    start = f"start it: systemctl start rebalancer-{name}"
    if not seen:
        return Finding("warn", name, "never seen", start)
    silent = now - max(seen)
    if silent > SILENCE:
        return Finding("warn", name, f"silent for {silent:.0f} s", start)
    return Finding("ok", name, f"alive {max(silent, 0):.0f} s ago")


def gateway(settings: Settings, now: float) -> list[Finding]:
    """Listening, speaking, of the right mode, with our accounts, and of one time with us."""
    return asyncio.run(_gateway(settings, now))


async def _gateway(settings: Settings, now: float) -> list[Finding]:
    from rebalancer.gateway.connection import Connection

    where = f"{settings.gateway.host}:{settings.gateway.port}"
    timeout = settings.gateway.request_timeout_seconds
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(
                settings.gateway.host, settings.gateway.port
            )
        writer.close()
    except (OSError, TimeoutError) as error:
        said = f"nothing listens on {where} ({error})" if str(error) else f"{where} is silent"
        remedy = "start IB Gateway and log in, or correct gateway.host and gateway.port"
        return [Finding("fail", "gateway", said, remedy)]
    connection = Connection(
        settings.gateway.host,
        settings.gateway.port,
        LOOKING + settings.gateway.client_id % 9_999,
        trading_mode=settings.trading_mode,
        timeout=timeout,
        clock=lambda: now,
    )
    running = asyncio.create_task(connection.run())
    try:
        await connection.ready(timeout * 2)
        return list(_logged_in(connection, settings, where))
    except GatewayError as error:
        remedy = "look at IB Gateway's window: API enabled, logged in, trusted address?"
        return [Finding("fail", "gateway", f"{where}: {error}", remedy)]
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, RebalancerError):
            await running
        await connection.close()


def _logged_in(connection: Connection, settings: Settings, where: str) -> Iterator[Finding]:
    managed = ", ".join(sorted(connection.accounts))
    yield Finding("ok", "gateway", f"{where} answers; accounts {managed}")
    for account in settings.traded():
        try:
            connection.check_account(account.account_id, settings.trading_mode)
        except RebalancerError as error:
            remedy = "log in as the right user, or correct accounts.yaml and trading_mode"
            yield Finding("fail", f"account {account.account_id}", str(error), remedy)
        else:
            said = f"managed by this login, trading mode {settings.trading_mode}"
            yield Finding("ok", f"account {account.account_id}", said)
    yield _clock("gateway clock", connection.clock_offset)


def disk(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """Enough free space where something is written."""
    for name, folder in folders.items():
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free
            said = f"{free / 1e9:.1f} GB free at {folder}"
            if free < FREE:
                yield Finding(
                    "warn", f"disk {name}", said, "free some: Redis must be able to write"
                )
            else:
                yield Finding("ok", f"disk {name}", said)


def _clock(subject: str, ahead: float) -> Finding:
    said = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) > SKEW:
        return Finding("warn", subject, said, "keep time with NTP: timedatectl set-ntp true")
    return Finding("ok", subject, said)


def _info(reply: bytes) -> dict[str, str]:
    lines = reply.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and line[0] != "#")


def _seconds(reply: list[bytes]) -> float:
    return int(reply[0]) + int(reply[1]) / 1e6


def _configured(queue: Queue, name: str) -> str:
    """A setting of the server, or ``unknown`` when its ACL does not let us ask."""

    def parse(reply: list[Any]) -> str:
        return reply[1].decode() if len(reply) == 2 else "unknown"

    try:
        return queue.run(command("CONFIG", "GET", name, parse=parse))
    except QueueError:
        return "unknown"


def settings_in_force(settings: Settings) -> Iterator[Finding]:
    """The files' own warnings."""
    for warning in settings.warnings:
        yield Finding("warn", "config", str(warning), "correct the file, or leave it if meant")
    traded = ", ".join(account.account_id for account in settings.traded()) or "none"
    yield Finding("ok", "config", f"trading mode {settings.trading_mode}, traded: {traded}")


def where_redis_writes(queue: Queue, service: Service) -> str:
    """Redis' directory if it runs on this host, else ''."""
    local = any(word in service.redis.url for word in ("127.0.0.1", "localhost", "unix://"))
    found = _configured(queue, "dir") if local else "unknown"
    return "" if found == "unknown" else found
