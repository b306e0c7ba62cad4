"""``targets show`` and ``targets diff``."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from rebalancer.processor.record_json import seen_json
from rebalancer.queue import moves
from rebalancer.queue.store import Queue
from tests.cli.conftest import Rebalancer
from tests.core.accounts import account
from tests.support.weights_server import Answer, WeightsServer, allocations, weights_server

ACCOUNTS = """\
accounts:
  - {account_id: DU1000001, type: paper, strategy_name: mix, replacement_set: ira}
strategies:
  mix: {targets: {models: {equity: 60%, bonds: 40%}}}
  equity: {targets: {api: {url: "URL"}}}
  bonds: {targets: {file: bonds.csv}}
"""
SETS = "replacement_sets: {ira: [{source: VTI, target: ITOT}]}\n"


@pytest.fixture(scope="module")
def served() -> Iterator[WeightsServer]:
    with weights_server() as server:
        yield server


@pytest.fixture
def mixed(rebalancer: Rebalancer, served: WeightsServer) -> WeightsServer:
    """An account that follows a file and a URL."""
    rebalancer.configure(accounts=ACCOUNTS.replace("URL", served.url))
    (rebalancer.folder / "bonds.csv").write_text("symbol,weight\nBND,0.9\n")
    (rebalancer.folder / "replacement-sets.yaml").write_text(SETS)
    served.says(allocations({"VTI": 0.5, "VXUS": 0.5}, ETag='"42"'))
    return served


def test_the_tree_is_shown_with_its_weights(
    rebalancer: Rebalancer, mixed: WeightsServer
) -> None:
    answer = rebalancer("targets", "show", "DU1000001")
    assert (answer.code, answer.err) == (0, "")
    lines = [line.strip() for line in answer.out.splitlines()]
    assert lines[0] == "DU1000001"
    assert f'60.00% strategy equity, {mixed.url}/equity/allocations, 200 "42"' in answer.out
    assert "40.00% strategy bonds, bonds.csv" in answer.out
    assert "VTI 50.00%, VXUS 50.00%" in lines
    assert "replaced (ira): VTI by ITOT" in lines
    assert "30.000%  ITOT" in lines
    assert "36.000%  BND" in lines
    assert "4.000%  cash" in lines


def test_the_tree_in_json(rebalancer: Rebalancer, mixed: WeightsServer) -> None:
    shown = rebalancer("targets", "show", "DU1000001", "--json").json
    assert shown["target"]["weights"] == {"ITOT": "0.3", "VXUS": "0.3", "BND": "0.36"}
    equity, bonds = shown["tree"]["parts"]
    assert (equity["kind"], equity["etag"], equity["share"]) == ("api", '"42"', "0.6")
    assert (bonds["kind"], bonds["location"], bonds["error"]) == ("file", "bonds.csv", "")
    assert shown["replacements"] == [{"source": "VTI", "target": "ITOT", "scale": "1"}]
    assert shown["error"] == ""


def test_what_cannot_be_had_is_shown_in_its_place(
    rebalancer: Rebalancer, mixed: WeightsServer
) -> None:
    mixed.says(Answer(503))
    (rebalancer.folder / "bonds.csv").write_text("symbol,weight\nBND,9\n")
    answer = rebalancer("targets", "show", "DU1000001")
    assert answer.code == 1
    assert "error: " in answer.out
    assert "503 Service Unavailable" in answer.out
    assert "bonds.csv:2: BND: found '9'" in answer.out
    assert answer.err.startswith("rebalancer: ")
    shown = rebalancer("targets", "show", "DU1000001", "--json").json
    assert shown["target"] is None
    assert "bonds.csv" in shown["error"]


def test_accounts_that_have_none(rebalancer: Rebalancer) -> None:
    rebalancer.configure(accounts="accounts: [{account_id: DU1, type: paper}]")
    for command in ("show", "diff"):
        answer = rebalancer("targets", command, "DU1")
        assert answer.code == 1
        assert "has no target: add `targets`" in answer.err
        assert "not in accounts.yaml" in rebalancer("targets", command, "DU2").err


@pytest.mark.redis_server
def test_holdings_are_compared(
    rebalancer: Rebalancer, mixed: WeightsServer, redis: Queue
) -> None:
    rebalancer.configure(
        "defaults: {drift_band_percent: 5, cash_reserve_percent: 0}",
        ACCOUNTS.replace("URL", mixed.url),
    )
    there = account("400", {"VTI": "100", "BND": "50"}, {"VTI": "3", "BND": "6"})
    redis.run(moves.save_snapshot("DU1000001", seen_json(there), now=1_764_000_000.0))
    found = rebalancer("targets", "diff", "DU1000001", "--json").json
    rows = {row["symbol"]: row for row in found["rows"]}
    # VTI fills ITOT's 30 percent; VXUS was never seen and still has its weight.
    assert Decimal(rows["VTI"]["off"]) == 0
    assert rows["VTI"]["counts_as"] == "ITOT"
    assert Decimal(rows["ITOT"]["target_weight"]) == 0
    assert Decimal(rows["VXUS"]["off"]) == Decimal("-0.3")
    assert rows["VXUS"]["note"] == "not in the snapshot"
    assert (Decimal(rows["BND"]["weight"]), rows["BND"]["inside_band"]) == (
        Decimal("0.3"),
        False,
    )
    assert Decimal(found["drift"]) == Decimal("0.36")
    assert (found["base"], found["seen_at"]) == ("1000", 1_764_000_000.0)
    answer = rebalancer("targets", "diff", "DU1000001")
    assert answer.code == 0
    assert "counts as ITOT" in answer.out
    assert "drift 36.000% of 1,000.00 USD" in answer.out


@pytest.mark.redis_server
def test_without_a_snapshot_the_remedy_is_said(
    rebalancer: Rebalancer, mixed: WeightsServer, redis: Queue
) -> None:
    answer = rebalancer("targets", "diff", "DU1000001")
    assert answer.code == 1
    assert "rebalancer preview DU1000001" in answer.err
