from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rebalancer import __version__
from rebalancer.cli.main import COMMANDS, EXITS
from rebalancer.errors import (
    GatewayUnavailableError,
    PermanentError,
    QueueFullError,
    UnknownInstrumentError,
    WrongGatewayError,
)
from rebalancer.settings import InvalidSettingsError
from tests.cli.conftest import Rebalancer

ROOT = Path(__file__).parents[2]


def test_help_names_every_command_without_importing_any() -> None:
    script = (
        "import sys; from rebalancer.cli.main import main; main(['--help']);"
        "print([m for m in sys.modules if m in ('redis', 'rich', 'numpy', 'ib_async')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in COMMANDS:
        assert f"\n  {name} " in ran.stdout
    assert ran.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(rebalancer: Rebalancer, name: str) -> None:
    answer = rebalancer(name, "--help")
    assert answer.code == 0
    assert f"rebalancer {name}" in answer.out


def test_sweep_stays_small() -> None:
    """Timers start it every few seconds: nothing heavy may creep into its imports."""
    script = (
        "import sys; import rebalancer.cli.main, rebalancer.cli.sweep;"
        "print([m for m in sys.modules if m in "
        "('rich', 'numpy', 'ib_async', 'pydantic', 'flask', 'rebalancer.core.plan')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_python_dash_m_and_the_version() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "rebalancer", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"rebalancer, version {__version__}\n"


def test_an_unknown_command_is_a_usage_error(rebalancer: Rebalancer) -> None:
    answer = rebalancer("rebalence")
    assert answer.code == 2
    assert "No such command 'rebalence'" in answer.err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    piped = f"{sys.executable} -m rebalancer --help | true"
    ran = subprocess.run(["bash", "-c", piped], cwd=ROOT, capture_output=True, check=True)
    assert ran.stderr == b""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidSettingsError([]), 2),
        (PermanentError(""), 1),
        (UnknownInstrumentError(""), 1),
        (QueueFullError(""), 3),
        (GatewayUnavailableError(""), 4),
        (WrongGatewayError(""), 4),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert next(code for kind, code in EXITS if isinstance(error, kind)) == code


# config -----------------------------------------------------------------------------------


def test_config_check_of_good_files(rebalancer: Rebalancer) -> None:
    answer = rebalancer("config", "check")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "ok: trading mode paper; 1 of 1 accounts traded: DU1000001\n"


def test_config_check_prints_everything_wrong_at_once(rebalancer: Rebalancer) -> None:
    rebalancer.configure("gateway: {prot: 1}\ntrading_mode: x\n", "accounts: [7]\n")
    answer = rebalancer("config", "check")
    assert answer.code == 2
    assert answer.out == ""
    assert [
        line.rpartition("/")[2].partition(": found")[0] for line in answer.err.splitlines()
    ] == [
        "accounts.yaml:1: accounts[0]",
        "rebalancer.yaml:1: gateway.prot",
        "rebalancer.yaml:2: trading_mode",
        "3 to mend.",
    ]


def test_config_check_in_json(rebalancer: Rebalancer) -> None:
    rebalancer.configure("trading_mode: x\n")
    answer = rebalancer("config", "check", "--json")
    assert answer.code == 2
    [problem] = answer.json["problems"]
    assert (problem["line"], problem["key"], problem["found"]) == (1, "trading_mode", "'x'")
    assert problem["expected"] == "paper or live"


def test_config_check_warns(rebalancer: Rebalancer) -> None:
    rebalancer.configure("", "accounts: [{account_id: DU1, type: paper}]\n")
    answer = rebalancer("config", "check")
    assert answer.code == 0
    assert "warning: " in answer.err
    assert "found no target" in answer.err


def test_config_show_is_complete_and_keeps_secrets(
    rebalancer: Rebalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REBALANCER_REDIS_URL", "redis://app:hunter2@localhost/0")
    shown = rebalancer("config", "show", "--json").json
    assert shown["redis"]["url"] == "redis://***@localhost/0"
    [account] = shown["accounts"]
    assert account["policy"]["cash_reserve"] == "0.01"
    assert account["target"]["weights"] == {"SPY": "0.6", "BND": "0.4"}
    as_text = rebalancer("config", "show")
    assert "hunter2" not in as_text.out
    assert "trading_mode: paper\n" in as_text.out


@pytest.mark.parametrize("name", ["processor", "broker", "enqueue", "sweep", "preview"])
def test_broken_settings_stop_every_command_with_code_2(
    rebalancer: Rebalancer, name: str
) -> None:
    rebalancer.configure("trading_mode: x\n")
    arguments = {"enqueue": ["DU1"], "preview": ["DU1"], "sweep": ["all"]}.get(name, [])
    answer = rebalancer(name, *arguments)
    assert answer.code == 2
    assert "rebalancer.yaml:1: trading_mode: found 'x'; expected paper or live" in answer.err
