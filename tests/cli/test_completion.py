"""What a shell is offered: by its protocol, and by a real bash."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from rebalancer.cli.main import COMMANDS, cli
from rebalancer.queue import moves
from rebalancer.queue.store import Queue
from tests.cli.conftest import ACCOUNTS, Rebalancer
from tests.cli.test_history import leased
from tests.cli.test_json import HASH, proposed

ROOT = Path(__file__).parents[2]
FILES = {"bash": "rebalancer.bash", "zsh": "_rebalancer", "fish": "rebalancer.fish"}
LISTED = ACCOUNTS + "  - {account_id: DU1000002, type: paper}\n"


def offered(rebalancer: Rebalancer, *words: str) -> set[str]:
    """What is offered for the last word."""
    given = ["--config", str(rebalancer.folder / "rebalancer.yaml"), *words[:-1]]
    asked = BashComplete(cli, {}, "rebalancer", "_REBALANCER_COMPLETE")
    return {item.value for item in asked.get_completions(given, words[-1])}


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_what_the_command_prints(rebalancer: Rebalancer, shell: str) -> None:
    answer = rebalancer("completion", shell)
    assert answer.code == 0
    assert answer.out == (ROOT / "packaging" / "completions" / FILES[shell]).read_text(), (
        f"run: rebalancer completion {shell} > packaging/completions/{FILES[shell]}"
    )


def test_another_shell_is_refused(rebalancer: Rebalancer) -> None:
    answer = rebalancer("completion", "tcsh")
    assert answer.code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in answer.err


def test_commands_and_options_and_choices(rebalancer: Rebalancer) -> None:
    assert offered(rebalancer, "") == set(COMMANDS)
    assert offered(rebalancer, "ha") == {"halt", "halts"}
    assert offered(rebalancer, "queue", "re") == {"remove", "requeue"}
    assert offered(rebalancer, "queue", "list", "de") == {"delayed", "dead"}
    assert {"--json", "--limit"} <= offered(rebalancer, "queue", "list", "--")


def test_accounts_of_the_file(rebalancer: Rebalancer) -> None:
    rebalancer.configure(accounts=LISTED)
    both = {"DU1000001", "DU1000002"}
    for words in (["accounts", "show"], ["enqueue"], ["halt", "--account"], ["rehearse"]):
        assert offered(rebalancer, *words, "") == both
    assert offered(rebalancer, "preview", "DU1000002") == {"DU1000002"}
    assert offered(rebalancer, "history", "") == both | {"list", "show", "export", "verify"}
    assert offered(rebalancer, "history", "DU1000002", "--be") == {"--before"}


@pytest.mark.parametrize("broken", ["accounts: [", "accounts: {DU1: 7}", "", "accounts: [7]"])
def test_a_file_in_the_making_offers_nothing(rebalancer: Rebalancer, broken: str) -> None:
    rebalancer.configure(accounts=broken)
    assert offered(rebalancer, "enqueue", "") == set()


@pytest.mark.redis_server
def test_events_and_plans_by_what_redis_holds(rebalancer: Rebalancer, redis: Queue) -> None:
    at = time.time()
    redis.run(moves.bury(leased(redis, "lost", "DU1", at), now=at, reason="gone", error=""))
    leased(redis, "runs", "DU2", at)
    proposed(redis, "DU3", at)
    assert offered(rebalancer, "queue", "requeue", "") == {"lost"}
    assert offered(rebalancer, "queue", "show", "") == {"lost", "runs", "asks-DU3"}
    assert offered(rebalancer, "queue", "show", "ru") == {"runs"}
    assert offered(rebalancer, "journal", "--event", "l") == {"lost"}
    assert offered(rebalancer, "approve", "") == {"DU3"}
    assert offered(rebalancer, "approve", "DU3", "") == {HASH}
    assert offered(rebalancer, "approve", "DU2", "") == set()
    assert offered(rebalancer, "history", "show", "") == set()


def test_without_redis_nothing_is_offered(rebalancer: Rebalancer) -> None:
    for words in (["queue", "show"], ["approve"], ["approve", "DU1"], ["history", "show"]):
        assert offered(rebalancer, *words, "") == set()


def test_a_redis_that_hangs_holds_no_prompt_up(
    rebalancer: Rebalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("REBALANCER_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()
        assert offered(rebalancer, "queue", "show", "") == set()
        assert time.monotonic() - began < 2.0


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has ``rebalancer``."""
    program = tmp_path / "bin" / "rebalancer"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom rebalancer.cli.main import main\n"
        "sys.exit(main())\n"
    )
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize(
    ("typed", "whole"),
    [("rebalancer he", "health"), ("rebalancer accounts show DU", "DU1000001")],
)
def test_a_real_bash_completes(
    rebalancer: Rebalancer, on_path: dict[str, str], typed: str, whole: str
) -> None:
    words = typed.split()
    script = (
        f"source {ROOT}/packaging/completions/rebalancer.bash\n"
        f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}\n"
        "_rebalancer_completion rebalancer\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    environment = {**on_path, "REBALANCER_CONFIG": str(rebalancer.folder / "rebalancer.yaml")}
    ran = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stdout.split(), ran.stderr) == ([whole], "")


def test_completing_imports_little() -> None:
    script = (
        "import os, sys; os.environ.update(_REBALANCER_COMPLETE='bash_complete',"
        "COMP_WORDS='rebalancer ', COMP_CWORD='1')\n"
        "from rebalancer.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in sys.modules if m in ('yaml', 'redis', 'rich', 'numpy', 'flask')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "plain,health\n" in ran.stdout
    assert ran.stdout.endswith("[]\n")
