"""How each command is typed: ``--help`` of each ends with these, and a test types them all."""

from __future__ import annotations

from collections.abc import Mapping

import click

#: Command -> examples of it, without the ``rebalancer`` in front.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "config check": ("config check", "--config staging/rebalancer.yaml config check --json"),
    "config show": ("config show", "config show --json"),
    "health": ("health", "health --strict --json", "health --ready"),
    "doctor": ("doctor", "doctor --json"),
    "enqueue": (
        "enqueue U1234567",
        "enqueue U1234567 --when drift_exceeds_percent=5",
        "enqueue U1234567 --raise-cash 25000 --priority high",
        "enqueue U1234567 cancel-orders --event-id 2026-11-26.a",
    ),
    "preview": ("preview U1234567", "preview U1234567 --buy-only --json"),
    "accounts list": ("accounts list", "accounts list --json"),
    "accounts show": ("accounts show U1234567", "accounts show U1234567 --json"),
    "accounts resume": ('accounts resume U1234567 --reason "traded by hand in TWS"',),
    "targets show": ("targets show U1234567", "targets show U1234567 --json"),
    "targets diff": ("targets diff U1234567",),
    "queue status": ("queue status", "queue status --json"),
    "queue list": ("queue list", "queue list active", "queue list dead --limit 200 --json"),
    "queue show": ("queue show 5e0c41d2a7b3",),
    "queue remove": ("queue remove 5e0c41d2a7b3",),
    "queue requeue": ("queue requeue 5e0c41d2a7b3",),
    "queue clear": ("queue clear retrying delayed --confirm", "queue clear --confirm --json"),
    "journal": (
        "journal -n 100",
        "journal --event 5e0c41d2a7b3",
        "journal --follow --account U1234567",
        "journal --follow --json --after 1795652326971-0",
    ),
    "history": ("history", "history U1234567 --limit 5", "history show 42"),
    "history list": ("history list U1234567", "history list --before 1200 --json"),
    "history show": ("history show 5e0c41d2a7b3", "history show 42 --json"),
    "history export": (
        "history export --format csv --rows fills --since 2026-01-01",
        "history export --format json --output history.json",
    ),
    "history verify": ("history verify", "history verify --against history.json"),
    "approve": (
        "approve",
        "approve U1234567",
        "approve U1234567 0123abcd4567",
        "approve U1234567 0123abcd4567 --reject",
    ),
    "halt": (
        'halt --reason "look at this first"',
        "halt --account U1234567 --reason audit --cancel-open",
        "halt --symbol GME --reason volatile",
    ),
    "resume": ("resume", "resume --account U1234567", "resume --symbol GME"),
    "halts": ("halts", "halts --json"),
    "sweep": ("sweep all", "sweep retry --json"),
    "schedule list": (
        "schedule list",
        "schedule list --account U1234567 --until 2026-12-31 --limit 500",
    ),
    "broker": ("broker",),
    "processor": ("processor",),
    "api": ("api", "api token --show"),
    "api token": (
        "api token --create",
        "api token --show",
        "api token --read-only --create",
        "api token --webhook --create",
    ),
    "api openapi": ("api openapi",),
    "metrics": ("metrics", "metrics --json"),
    "notify": ("notify", "notify test"),
    "notify test": ("notify test", "notify test --service phone"),
    "sim": ("sim --port 4002 --always-open",),
    "rehearse": ("rehearse", "rehearse U1234567 --from-cash", "rehearse --replay 42"),
    "demo": ("demo", "demo --serve"),
    "completion": (
        "completion bash > ~/.local/share/bash-completion/completions/rebalancer",
        "completion zsh > ~/.zfunc/_rebalancer",
        "completion fish > ~/.config/fish/completions/rebalancer.fish",
    ),
}


def show(name: str, command: click.Command) -> None:
    """Let the help of a command, and of those below it, end with their examples."""
    if name in EXAMPLES:
        # \b: click leaves the lines as they are.
        lines = "\n".join(f"  rebalancer {example}" for example in EXAMPLES[name])
        command.epilog = f"\b\nExamples:\n{lines}"
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            show(f"{name} {below}", one)
