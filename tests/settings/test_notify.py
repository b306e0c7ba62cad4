"""``notify``: what is read, what holds without it, what is refused; URLs stay outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebalancer.errors import ConfigError
from rebalancer.notify.start import url_of
from rebalancer.settings.notify import LEVELS, ServiceKeys
from tests.settings.conftest import Etc


def test_nobody_is_told_unless_services_are_named(etc: Etc) -> None:
    notify = etc.write().load().notify
    assert (notify.services, notify.gather_seconds, notify.give_up_hours) == ((), 60.0, 24.0)


def test_services_are_read_with_their_levels_and_accounts(etc: Etc) -> None:
    etc.write(
        config="""
        notify:
          gather_seconds: 5
          services:
            - name: phone
              levels: [critical, action]
              accounts: DU1000001
            - {name: mail, url_variable: MAIL_URL}
        """
    )
    settings = etc.load()
    phone, mail = settings.notify.services
    assert phone == ServiceKeys("phone", levels=("critical", "action"), accounts=("DU1000001",))
    assert (mail.levels, mail.accounts, mail.url_variable) == (LEVELS, (), "MAIL_URL")
    assert settings.warnings == ()


def test_a_variable_switches_them_off(etc: Etc) -> None:
    etc.write(config="notify: {services: [{name: phone}]}\n")
    assert etc.load({"REBALANCER_NOTIFY_SERVICES": "none"}).notify.services == ()


def test_an_account_that_nobody_knows_is_suspicious(etc: Etc) -> None:
    etc.write(config="notify: {services: [{name: phone, accounts: [DU1000001, DU100001]}]}\n")
    [warning] = etc.load().warnings
    assert str(warning).endswith(
        "notify.services: found account DU100001 of phone; expected one of accounts.yaml "
        "(did you mean DU1000001?)"
    )


@pytest.mark.parametrize(
    ("services", "said"),
    [
        (
            "ntfy://canary.example/topic",
            "found something else; expected a list of services, or none",
        ),
        ("[{levels: critical}]", "services[0].name: found no such key"),
        ("[{name: My Phone}]", "services[0].name: found 'My Phone'"),
        ("[{name: a, levels: [loud]}]", "expected critical, action or routine"),
        ("[{name: a}, {name: a}]", "services[1].name: found 'a' again"),
        ("[{name: a, url_variable: REBALANCER_X}]", "found 'REBALANCER_X'"),
        ("[{name: a, url_file: b, url_variable: C}]", "found url_file and url_variable"),
        ("[{name: a, url: ntfy://canary}]", "services[0].url: found an unknown key"),
    ],
)
def test_refused(etc: Etc, services: str, said: str) -> None:
    etc.write(config=f"notify: {{services: {services}}}\n")
    [problem] = etc.said()
    assert said in problem
    assert "canary" not in problem


def test_hours_are_above_zero(etc: Etc) -> None:
    etc.write(config="notify: {give_up_hours: 0}\n")
    assert "found '0'; expected hours, above 0 and at most 720" in etc.said()[0]


def test_a_url_is_a_credential_else_a_file_beside(tmp_path: Path) -> None:
    held, beside = tmp_path / "held", tmp_path / "etc"
    for folder in (held, beside):
        folder.mkdir()
        (folder / "notify_phone").write_text(f"json://{folder.name}/\n")
    keys = ServiceKeys("phone")
    assert url_of(keys, beside=beside, environ={}) == "json://etc/"
    environ = {"CREDENTIALS_DIRECTORY": str(held)}
    assert url_of(keys, beside=beside, environ=environ) == "json://held/"
    named = ServiceKeys("phone", url_file=str(beside / "notify_phone"))
    assert url_of(named, beside=tmp_path, environ={}) == "json://etc/"
    by_variable = ServiceKeys("phone", url_variable="PHONE")
    assert url_of(by_variable, beside=tmp_path, environ={"PHONE": "json://x/"}) == "json://x/"
    (beside / "notify_phone").write_text("json://canary/\njson://b/\n")
    with pytest.raises(ConfigError, match="notify service phone: .*: 2 lines") as refused:
        url_of(keys, beside=beside, environ={})
    assert "canary" not in str(refused.value)
