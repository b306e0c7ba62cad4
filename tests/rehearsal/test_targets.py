"""Rehearsing accounts whose weights are elsewhere."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from rebalancer.rehearsal.prepare import Rehearsal, own
from rebalancer.settings import load, locate
from tests.support.weights_server import Answer, WeightsServer, allocations, weights_server

ACCOUNTS = """\
accounts:
  - {account_id: DU1, type: paper, strategy_name: a}
  - {account_id: DU2, type: paper, strategy_name: b}
strategies:
  a: {targets: {models: {b: 50%, c: 50%}}}
  b: {targets: {api: {url: "URL"}}}
  c: {targets: {file: c.csv}}
"""


def rehearsal(folder: Path, server: WeightsServer) -> Rehearsal:
    (folder / "rebalancer.yaml").write_text("")
    (folder / "accounts.yaml").write_text(ACCOUNTS.replace("URL", server.url))
    (folder / "c.csv").write_text("symbol,weight\nBND,1\n")
    settings = load(locate({}, config=folder / "rebalancer.yaml"), {})
    return own(settings, (), {}, from_snapshot=False, cash=Decimal(1000))


def test_urls_are_asked_once_and_the_rehearsal_keeps_to_it(tmp_path: Path) -> None:
    with weights_server() as server:
        server.says(allocations({"VTI": 1}))
        found = rehearsal(tmp_path, server)
        assert sorted(found.symbols()) == ["BND", "VTI"]
        assert [asked.path for asked in server.asked] == ["/b/allocations"] * 2
        target = found.settings.accounts["DU1"].target()
        assert target.weights == {"VTI": Decimal("0.5"), "BND": Decimal("0.5")}
        assert target.origins[0].status == "200"


def test_what_cannot_be_had_is_left_to_the_processor_to_say(tmp_path: Path) -> None:
    with weights_server() as server:
        server.says(Answer(500))
        assert rehearsal(tmp_path, server).symbols() == []
