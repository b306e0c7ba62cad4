"""Trees whose leaves are files and URLs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.errors import PermanentError, RetryableError
from rebalancer.settings import AccountSettings, load, locate
from rebalancer.targets.resolve import Fetcher, target
from tests.support.weights_server import Answer, Asked, WeightsServer, allocations

ACCOUNTS = """\
accounts:
  - {account_id: DU1, type: paper, strategy_name: mix}
strategies:
  mix: {targets: {file: mix.yaml}}
  a: {targets: {api: {url: "URL"}}}
  b: {targets: {api: {url: "URL"}}}
  half: {targets: {models: {a: 50%, b: 50%}}}
"""


@pytest.fixture
def account(tmp_path: Path, server: WeightsServer) -> AccountSettings:
    (tmp_path / "rebalancer.yaml").write_text("")
    (tmp_path / "accounts.yaml").write_text(ACCOUNTS.replace("URL", server.url))
    (tmp_path / "mix.yaml").write_text("models: {a: 40%, half: 60%}\n")
    settings = load(locate({}, config=tmp_path / "rebalancer.yaml"), {})
    return settings.accounts["DU1"]


async def test_each_url_is_asked_once_however_often_it_stands_there(
    account: AccountSettings, server: WeightsServer
) -> None:
    server.says(allocations({"VTI": 1}))
    found = await target(account, Fetcher({}))
    assert found.weights == {"VTI": 1}
    assert sorted(asked.path for asked in server.asked) == ["/a/allocations", "/b/allocations"]


async def test_a_file_that_names_another_model_while_urls_are_asked(
    account: AccountSettings, server: WeightsServer, tmp_path: Path
) -> None:
    (tmp_path / "mix.yaml").write_text("models: {a: 100%}\n")

    def answer(asked: Asked) -> Answer:
        (tmp_path / "mix.yaml").write_text("models: {b: 100%}\n")
        return allocations({"VTI": 1} if asked.path.startswith("/a/") else {"BND": 1})

    server.answer = answer
    assert (await target(account, Fetcher({}))).weights == {"BND": 1}


async def test_one_url_that_fails_fails_all_of_it(
    account: AccountSettings, server: WeightsServer
) -> None:
    server.answer = lambda asked: (
        Answer(502) if asked.path.startswith("/b/") else allocations({"VTI": 1})
    )
    with pytest.raises(RetryableError, match=r"/b/allocations: 502 Bad Gateway"):
        await target(account, Fetcher({}))


async def test_what_no_retry_can_mend_is_said_first(
    account: AccountSettings, server: WeightsServer
) -> None:
    server.answer = lambda asked: Answer(502 if asked.path.startswith("/a/") else 404)
    with pytest.raises(PermanentError, match=r"/b/allocations: 404 Not Found"):
        await target(account, Fetcher({}))


async def test_a_sum_is_held_to_the_rule_wherever_it_comes_from(
    account: AccountSettings, server: WeightsServer
) -> None:
    server.says(allocations({"VTI": 0.75, "BND": 0.75}))
    with pytest.raises(PermanentError, match=r"strategy a \(http://.*\): found a sum of 1.5"):
        await target(account, Fetcher({}))
    server.says(allocations({"VTI": 0.25, "BND": 0.25}))
    found = await target(account, Fetcher({}))
    assert found.weights == {"VTI": Decimal("0.25"), "BND": Decimal("0.25")}
