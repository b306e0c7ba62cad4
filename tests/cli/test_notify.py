from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Rebalancer
from tests.support.http_service import HttpService, http_service
from tests.support.redis_server import free_port


@pytest.fixture(autouse=True)
def _apprise_as_it_was() -> Iterator[None]:
    chatter = logging.getLogger("apprise")
    before = chatter.propagate, chatter.level
    yield
    chatter.propagate = before[0]
    chatter.setLevel(before[1])


@pytest.fixture
def phone() -> Iterator[HttpService]:
    with http_service() as service:
        yield service


def _configure(rebalancer: Rebalancer, services: str, **urls: str) -> None:
    rebalancer.configure(f"notify: {{services: [{services}]}}")
    for name, url in urls.items():
        (rebalancer.folder / f"notify_{name}").write_text(url)


def test_each_service_is_tried_and_says_how_it_went(
    rebalancer: Rebalancer, phone: HttpService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_URL", f"json://canary:canary@127.0.0.1:{free_port()}/canary")
    _configure(
        rebalancer,
        "{name: phone}, {name: mail, url_variable: MAIL_URL}, {name: chat}",
        phone=phone.ntfy_url("mine"),
    )
    answer = rebalancer("notify", "test")
    assert answer.code == 1
    took, failed, missing = answer.out.splitlines()
    assert took == "phone: took it"
    assert failed.startswith("mail: failed: A Connection error occurred")
    assert missing.startswith("chat: failed: notify service chat: ")
    assert "notify_chat: no such file" in missing
    assert "canary" not in answer.out
    assert phone.titles == ["rebalancer: a test"]
    only = rebalancer("notify", "test", "--service", "phone", "--json")
    assert (only.code, only.json) == (0, {"phone": {"ok": True, "error": ""}})


def test_a_refusal_is_told(rebalancer: Rebalancer, phone: HttpService) -> None:
    _configure(rebalancer, "{name: phone}", phone=phone.json_url)
    phone.status = 403
    answer = rebalancer("notify", "test")
    assert answer.code == 1
    assert "error=403" in answer.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "no service in notify"), (("--service", "fax"), "no service fax in notify")],
)
def test_nobody_to_tell_is_an_error(
    rebalancer: Rebalancer, arguments: tuple[str, ...], said: str
) -> None:
    answer = rebalancer("notify", "test", *arguments)
    assert answer.code == 2
    assert said in answer.err


def test_a_missing_url_is_named_by_its_variable(rebalancer: Rebalancer) -> None:
    _configure(rebalancer, "{name: mail, url_variable: MAIL_URL}")
    answer = rebalancer("notify", "test")
    assert "the variable MAIL_URL is not set" in answer.out
