"""What programs leave for others to see: signs of life and pictures of accounts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rebalancer.queue import codec, keys
from rebalancer.queue.move import Move, command
from rebalancer.queue.values import Daemon


def heartbeat_daemon(name: str, info: Mapping[str, Any], *, now: float) -> Move[None]:
    """Say that the program ``name`` lives, with whatever is worth seeing about it."""
    stored = codec.dumps({"at": now, "info": info})
    return command("HSET", keys.DAEMONS, name, stored, parse=lambda _reply: None)


def daemons() -> Move[Mapping[str, Daemon]]:
    """The last sign of life of every program, by name; unreadable ones are left out."""

    def parse(reply: list[bytes]) -> Mapping[str, Daemon]:
        found: dict[str, Daemon] = {}
        for key, raw in zip(reply[::2], reply[1::2], strict=True):
            name = key.decode(errors="replace")
            try:
                stored = codec.loads(raw)
                found[name] = Daemon(name, float(stored["at"]), dict(stored["info"]))
            except (ValueError, KeyError, TypeError):
                continue
        return found

    return command("HGETALL", keys.DAEMONS, parse=parse)


def sweeps() -> Move[Mapping[str, float]]:
    """When ``leases``, ``retry``, ``delayed`` and ``repair`` last ran, in Unix seconds.

    Noted by the scripts themselves, whoever runs them; exact to the second.
    """

    def parse(reply: list[bytes]) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for kind, raw in zip(reply[::2], reply[1::2], strict=True):
            with suppress(ValueError):
                found[kind.decode(errors="replace")] = float(raw)
        return found

    return command("HGETALL", keys.SWEEPS, parse=parse)


def save_snapshot(account_id: str, snapshot: Mapping[str, Any], *, now: float) -> Move[None]:
    """Keep the account's latest picture, replacing the one before."""
    stored = codec.dumps({"saved_at": now, **snapshot})
    return command("HSET", keys.SNAPSHOTS, account_id, stored, parse=lambda _reply: None)


def snapshots() -> Move[Mapping[str, Mapping[str, Any]]]:
    """The latest picture of every account that has one; unreadable ones are left out."""

    def parse(reply: list[bytes]) -> Mapping[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for key, raw in zip(reply[::2], reply[1::2], strict=True):
            with suppress(ValueError):
                found[key.decode(errors="replace")] = codec.loads(raw)
        return found

    return command("HGETALL", keys.SNAPSHOTS, parse=parse)


def load_snapshot(account_id: str) -> Move[Mapping[str, Any] | None]:
    """The account's latest picture and its ``saved_at`` (Unix seconds), if there is one."""

    def parse(reply: bytes | None) -> Mapping[str, Any] | None:
        if reply is None:
            return None
        try:
            return codec.loads(reply)
        except ValueError:
            return None

    return command("HGET", keys.SNAPSHOTS, account_id, parse=parse)
