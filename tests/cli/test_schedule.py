"""``rebalancer schedule list``: what signals when, from the files alone."""

from __future__ import annotations

import time

from tests.cli.conftest import Rebalancer

ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    targets: {SPY: 1}
    schedule:
      - {at: 30 minutes before close, calendar: XNYS, day: last, of: month}
      - {at: "15:30"}
  - account_id: DU1000002
    type: paper
    targets: {SPY: 1}
    schedule: {cron: "0 12 * * *", time_zone: UTC, exec_command: print-equity}
  - account_id: U1
    type: live
    targets: {SPY: 1}
    schedule: {at: "15:30"}
"""


def test_the_next_signals_soonest_first(rebalancer: Rebalancer) -> None:
    rebalancer.configure(accounts=ACCOUNTS)
    answer = rebalancer("schedule", "list", "--limit", "60", "--json")
    assert answer.code == 0
    times = [run["at"] for run in answer.json]
    assert len(times) == 60
    assert times == sorted(times)
    assert times[0] > time.time()
    assert {run["account_id"] for run in answer.json} == {"DU1000001", "DU1000002"}
    of_month = [run for run in answer.json if "last of month" in run["schedule"]]
    assert of_month
    assert of_month[0]["exec_command"] == "rebalance"


def test_as_a_table_for_one_account_until_a_day(rebalancer: Rebalancer) -> None:
    rebalancer.configure(accounts=ACCOUNTS)
    answer = rebalancer("schedule", "list", "--account", "DU1000002", "--limit", "2")
    assert answer.code == 0
    assert answer.out.count("cron 0 12 * * * UTC") == 2
    ended = rebalancer("schedule", "list", "--account", "DU1000002", "--until", "2020-01-01")
    assert ended.out == "nothing is scheduled\n"


def test_what_each_signal_asks_for_is_shown(rebalancer: Rebalancer) -> None:
    rebalancer.configure(
        accounts="""\
accounts:
  - account_id: DU1000001
    type: paper
    targets: {SPY: 1}
    schedule:
      - {cron: "0 12 * * *", mode: buy-only, when: {uninvested_cash_exceeds_percent: 2}}
      - {cron: "0 12 * * *", raise_cash: 1000}
"""
    )
    runs = rebalancer("schedule", "list", "--limit", "2", "--json").json
    asked = [run["data"] for run in runs]
    assert {"raise_cash": "1000"} in asked
    assert {"mode": "buy-only", "when": {"uninvested_cash_exceeds_percent": "2"}} in asked
    shown = " ".join(rebalancer("schedule", "list", "--limit", "2").out.split())
    assert "raise_cash 1000" in shown
    assert "buy-only" in shown


def test_what_cannot_be_listed_is_said(rebalancer: Rebalancer) -> None:
    rebalancer.configure(accounts=ACCOUNTS)
    answer = rebalancer("schedule", "list", "--account", "U1")
    assert answer.code == 2
    assert "trading_mode is paper" in answer.err
    answer = rebalancer("schedule", "list", "--account", "DU1000002", "--until", "soon")
    assert answer.code == 2
    assert "'soon' is no day such as 2026-12-31" in answer.err
