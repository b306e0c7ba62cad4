from __future__ import annotations

import socket
from pathlib import Path

import pytest

from rebalancer.settings import load, load_service, locate
from rebalancer.settings.environment import variables
from tests.settings.conftest import Etc


def test_an_empty_file_means_the_defaults(etc: Etc) -> None:
    settings = etc.write(config="").load()
    assert settings.trading_mode == "paper"
    assert settings.redis.url == "redis://127.0.0.1:6379/0"
    assert (settings.gateway.host, settings.gateway.port) == ("127.0.0.1", 4002)
    assert settings.gateway.client_id == 10
    assert settings.processor.max_concurrent_events == 24
    assert settings.processor.lease_seconds == 20.0
    assert settings.worker == f"{socket.gethostname()}-10"
    assert settings.retry.max_attempts == 10


def test_a_missing_file_means_the_defaults_too_but_is_warned_of(
    etc: Etc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rebalancer.settings.files.DIRECTORY", etc.path)
    etc.write()
    (etc.path / "rebalancer.yaml").unlink()
    settings = load(locate({}), {})
    assert settings.trading_mode == "paper"
    assert "built-in defaults" in str(settings.warnings[0])


def test_a_named_file_has_to_exist(tmp_path: Path) -> None:
    etc = Etc(tmp_path)
    (tmp_path / "accounts.yaml").write_text("accounts: []")
    [said] = etc.said()
    assert said == "rebalancer.yaml: found no such file or directory; expected a readable file"


@pytest.mark.parametrize(("mode", "port"), [("paper", 4002), ("live", 4001)])
def test_the_port_follows_the_mode(etc: Etc, mode: str, port: int) -> None:
    assert etc.write(config=f"trading_mode: {mode}").load().gateway.port == port


@pytest.mark.parametrize(
    ("mode", "port"),
    [("paper", 4001), ("paper", 7496), ("paper", 4003), ("live", 4002), ("live", 7497)],
)
def test_a_port_of_the_other_mode_is_refused(etc: Etc, mode: str, port: int) -> None:
    etc.write(config=f"trading_mode: {mode}\ngateway:\n  port: {port}\n")
    assert etc.said() == [
        (
            f"rebalancer.yaml:3: gateway.port: found {port}; "
            f"expected another port: this one is not for trading_mode {mode}"
        )
    ]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            "trading_mode: papr",
            "1: trading_mode: found 'papr'; expected paper or live (did you",
        ),
        ("trading_mode: Paper", "1: trading_mode: found 'Paper'; expected paper or live (did"),
        ("trading_mode:", "1: trading_mode: found nothing; expected paper or live"),
        ("trading_mode: ''", "1: trading_mode: found ''; expected paper or live"),
        (
            "gateway:\n  port: ٤٠٠٢",
            "2: gateway.port: found '٤٠٠٢'; expected a whole number",
        ),
        (
            "redis:\n  username: app",
            "2: redis.username: found no password; expected a password",
        ),
        (
            "gateway: 4002",
            "1: gateway: found '4002'; expected a mapping with keys such as host",
        ),
        ("gateway: [1]", "1: gateway: found a list; expected a mapping with keys such as host"),
        (
            "gateway:\n  port: 0",
            "2: gateway.port: found '0'; expected a whole number from 1 to",
        ),
        ("gateway:\n  port: 4e3", "2: gateway.port: found '4e3'; expected a whole number"),
        ("gateway:\n  host: a b", "2: gateway.host: found 'a b'; expected a host name"),
        (
            "gateway:\n  prot: 1",
            "2: gateway.prot: found an unknown key; expected a known key (d",
        ),
        (
            "zzz:\n  a: 1",
            "1: zzz: found an unknown key; expected a known key: trading_mode, red",
        ),
        (
            "redis:\n  timeout_seconds: .nan",
            "2: redis.timeout_seconds: found '.nan'; expected s",
        ),
        (
            "redis:\n  timeout_seconds: 0",
            "2: redis.timeout_seconds: found '0'; expected second",
        ),
        (
            "redis:\n  timeout_seconds: [5]",
            "2: redis.timeout_seconds: found a list; expected s",
        ),
        ("redis:\n  url: localhost", "2: redis.url: found 'localhost'; expected a URL such as"),
        ("redis:\n  url: redis://h:x/0", "2: redis.url: found an unreadable URL; expected"),
        ("redis:\n  url: redis://h/zero", "2: redis.url: found 'redis://h/zero'; expected"),
        ("redis:\n  url: http://h/0", "2: redis.url: found 'http://h/0'; expected a URL"),
        ("retry:\n  max_attempts: -1", "2: retry.max_attempts: found '-1'; expected a whole"),
        (
            "retry:\n  retry_delay_seconds: 60\n  max_delay_seconds: 30",
            "3: retry.max_delay_seconds: found 30; expected at least retry_delay_seconds (60)",
        ),
        (
            "logging:\n  level: loud",
            "2: logging.level: found 'loud'; expected debug, info, warn",
        ),
        (
            "defaults:\n  order_type: lmt",
            "2: defaults.order_type: found 'lmt'; expected LMT, MKT,",
        ),
        (
            "defaults:\n  cash_reserve_percent: 100",
            "2: defaults.cash_reserve_percent: found '1",
        ),
        (
            "defaults:\n  extended_hours: maybe",
            "2: defaults.extended_hours: found 'maybe'; exp",
        ),
        ("- a\n- b", "1: found a list; expected a mapping with keys such as trading_mode"),
        (
            "a: b: c",
            "1: found a syntax error (mapping values are not allowed in this context); exp",
        ),
        (
            "a: [",
            "2: found a syntax error (did not find expected node content); expected valid",
        ),
        (
            "a:\n\tb: 1",
            "2: found a syntax error (found character that cannot start any token); exp",
        ),
        (
            "a: 1\n---\nb: 2",
            "2: found a syntax error (but found another document); expected valid YAML",
        ),
        ("a: !!python/object:os.system 1", "1: a: found an unknown key"),
        ("trading_mode: !!python/name:a.b live", "1: trading_mode: found 'live'; expected pap"),
        (
            "trading_mode: live\ntrading_mode: paper",
            "2: trading_mode: found it again (first on line 1); expected each key once",
        ),
        ("? [a]\n: 1", "1: found a list; expected a plain key"),
    ],
)
def test_refusals(etc: Etc, config: str, said: str) -> None:
    [problem] = etc.write(config=config).said()
    assert problem.startswith(f"rebalancer.yaml:{said}")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            b"trading_mode: paper\nredis: {url: \xff}",
            ":2: found byte 0xff; expected UTF-8 text",
        ),
        (
            b"a: \x07",
            (
                ":1: found a syntax error (control characters are not allowed); "
                "expected valid YAML"
            ),
        ),
        (b"\xef\xbb\xbftrading_mode: paper", ""),
    ],
)
def test_bytes(etc: Etc, raw: bytes, said: str) -> None:
    etc.write()
    (etc.path / "rebalancer.yaml").write_bytes(raw)
    if said:
        assert etc.said() == [f"rebalancer.yaml{said}"]
    else:
        assert etc.load().trading_mode == "paper"


def test_a_directory_is_not_a_file(etc: Etc) -> None:
    etc.write()
    (etc.path / "rebalancer.yaml").unlink()
    (etc.path / "rebalancer.yaml").mkdir()
    assert etc.said() == ["rebalancer.yaml: found is a directory; expected a readable file"]


def test_anchors_and_merges_work_and_circles_are_refused(etc: Etc) -> None:
    config = """\
        gateway: &far {host: far, client_id: 7}
        """
    assert etc.write(config=config).load().gateway.client_id == 7
    [circle] = etc.write(config="gateway: &a\n  <<: *a\n").said()
    assert "a circle" in circle


def test_everything_wrong_is_said_at_once_in_the_order_of_the_files(etc: Etc) -> None:
    etc.write(
        config="trading_mode: x\ngateway:\n  hots: y\n  port: -1\nnope: 1\n",
        accounts="accounts:\n  - type: paper\n    enabled: 2\n  - account_id: x\n",
        replacements="sets: {}\n",
    )
    places = [said.partition(": found")[0] for said in etc.said({"REBALANCER_REDIS_URL": "x"})]
    assert places == [
        "accounts.yaml:2: accounts[0].account_id",
        "accounts.yaml:3: accounts[0].enabled",
        "accounts.yaml:4: accounts[1].account_id",
        "accounts.yaml:4: accounts[1].type",
        "rebalancer.yaml:1: trading_mode",
        "rebalancer.yaml:3: gateway.hots",
        "rebalancer.yaml:4: gateway.port",
        "rebalancer.yaml:5: nope",
        "replacement-sets.yaml:1: sets",
        "environment: REBALANCER_REDIS_URL",
    ]


# Environment ------------------------------------------------------------------------------


def test_variables_win_over_the_file(etc: Etc) -> None:
    etc.write(config="trading_mode: paper\ngateway: {host: a, port: 5000}\n")
    settings = etc.load(
        {
            "REBALANCER_TRADING_MODE": "live",
            "REBALANCER_GATEWAY_HOST": "b",
            "REBALANCER_GATEWAY_PORT": "5001",
            "REBALANCER_REDIS_URL": "unix:///run/redis.sock?db=0",
            "REBALANCER_PROCESSOR_MAX_CONCURRENT_EVENTS": "3",
            "REBALANCER_DEFAULTS_CASH_RESERVE_PERCENT": "2.5",
            "REBALANCER_LOGGING_LEVEL": "",  # empty is unset
        }
    )
    assert settings.trading_mode == "live"
    assert (settings.gateway.host, settings.gateway.port) == ("b", 5001)
    assert settings.redis.url == "unix:///run/redis.sock?db=0"
    assert settings.processor.max_concurrent_events == 3
    assert str(settings.accounts["DU1000001"].policy().cash_reserve) == "0.025"
    assert settings.logging.level == "info"


def test_a_variable_repairs_a_bad_value_in_the_file(etc: Etc) -> None:
    etc.write(config="trading_mode: broken\ngateway:\n")
    settings = etc.load(
        {"REBALANCER_TRADING_MODE": "paper", "REBALANCER_GATEWAY_CLIENT_ID": "11"}
    )
    assert settings.gateway.client_id == 11


def test_a_bad_variable_is_named(etc: Etc) -> None:
    assert etc.write().said({"REBALANCER_GATEWAY_PORT": "nope"}) == [
        (
            "environment: REBALANCER_GATEWAY_PORT: found 'nope'; "
            "expected a whole number from 1 to 65535"
        )
    ]


def test_a_misspelled_variable_is_an_error(etc: Etc) -> None:
    assert etc.write().said({"REBALANCER_TRADNG_MODE": "live"}) == [
        (
            "environment: REBALANCER_TRADNG_MODE: found no such setting; "
            "expected a known one (did you mean REBALANCER_TRADING_MODE?)"
        )
    ]


def test_every_scalar_has_its_variable() -> None:
    names = variables()
    assert names["REBALANCER_TRADING_MODE"] == ("trading_mode",)
    assert names["REBALANCER_REDIS_PASSWORD_FILE"] == ("redis", "password_file")
    assert names["REBALANCER_DEFAULTS_MAX_TURNOVER_PERCENT"] == (
        "defaults",
        "max_turnover_percent",
    )


def test_files_are_found_by_flag_then_variable_then_beside_the_config(tmp_path: Path) -> None:
    environ = {"REBALANCER_CONFIG": "/a/r.yaml", "REBALANCER_ACCOUNTS_FILE": "/b/acc.yaml"}
    by_flag = locate(environ, config=tmp_path / "x.yaml", accounts=tmp_path / "y.yaml")
    assert (by_flag.config, by_flag.accounts) == (tmp_path / "x.yaml", tmp_path / "y.yaml")
    by_variable = locate(environ)
    assert by_variable.config == Path("/a/r.yaml")
    assert by_variable.accounts == Path("/b/acc.yaml")
    assert by_variable.replacement_sets == Path("/a/replacement-sets.yaml")
    usual = locate({})
    assert usual.config == Path("/etc/rebalancer/rebalancer.yaml")
    assert usual.accounts == Path("/etc/rebalancer/accounts.yaml")


# Secrets ----------------------------------------------------------------------------------


def test_the_password_comes_from_a_file_beside_the_config(etc: Etc) -> None:
    etc.write(config="redis: {username: app, password_file: secret}")
    (etc.path / "secret").write_text("p@ss/word\n")
    redis = etc.load().redis
    assert redis.url == "redis://app:p%40ss%2Fword@127.0.0.1:6379/0"


def test_the_password_comes_from_a_systemd_credential(etc: Etc, tmp_path: Path) -> None:
    held = tmp_path / "credentials"
    held.mkdir()
    (held / "redis_password").write_text("hunter2")
    redis = etc.write().load({"CREDENTIALS_DIRECTORY": str(held)}).redis
    assert redis.url == "redis://:hunter2@127.0.0.1:6379/0"
    assert redis.shown == "redis://***@127.0.0.1:6379/0"


def test_a_password_for_a_unix_socket(etc: Etc) -> None:
    etc.write(config="redis: {url: 'unix:///r.sock?db=0', username: u, password_file: s}")
    (etc.path / "s").write_text("a b")
    redis = etc.load().redis
    assert redis.url == "unix:///r.sock?db=0&username=u&password=a%20b"
    assert "a%20b" not in redis.shown


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file or directory"),
        (b"", "0 lines"),
        (b"a\nb\n", "2 lines"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_secret_that_cannot_be_read_is_said(
    etc: Etc, content: bytes | None, said: str
) -> None:
    etc.write(config="redis:\n  password_file: secret")
    if content is not None:
        (etc.path / "secret").write_bytes(content)
    assert etc.said() == [
        (
            f"rebalancer.yaml:2: redis.password_file: found secret: {said}; "
            f"expected a readable file with one line: the password"
        )
    ]


def test_a_secret_that_is_a_directory_is_said(etc: Etc) -> None:
    etc.write(config="redis:\n  password_file: secret")
    (etc.path / "secret").mkdir()
    assert "secret: is a directory" in etc.said()[0]


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:hunter2@h:x/0",
        "redis//u:hunter2@h",
        "http://u:hunter2@h/",
        "unix://u:hunter2@h",
        "ftp://h/?password=hunter2",
    ],
)
def test_secrets_never_show(etc: Etc, url: str) -> None:
    etc.write(config=f"redis:\n  url: {url}\n")
    assert "hunter2" not in "".join(etc.said())


@pytest.mark.parametrize("key", ["redis", "trading_mode", "gateway"])
def test_a_url_in_the_wrong_place_keeps_its_secret(etc: Etc, key: str) -> None:
    etc.write(config=f"{key}: redis://u:hunter2@h/0\n")
    assert "hunter2" not in "".join(etc.said())


def test_sections_and_names_may_be_left_blank(etc: Etc) -> None:
    settings = etc.write(config="gateway:\nredis:\n  username: ''\n  password_file:\n").load()
    assert settings.redis.url == "redis://127.0.0.1:6379/0"


def test_a_section_given_twice_is_refused_although_a_variable_changes_it(etc: Etc) -> None:
    etc.write(config="redis: {timeout_seconds: 1}\nredis: {timeout_seconds: 2}\n")
    [said] = etc.said({"REBALANCER_REDIS_URL": "redis://h/0"})
    assert said.startswith("rebalancer.yaml:2: redis: found it again (first on line 1)")


def test_secrets_are_in_no_repr(etc: Etc) -> None:
    etc.write(config="redis: {url: 'redis://u:hunter2@h/0'}")
    assert "hunter2" not in repr(etc.load())


def test_the_service_reads_without_accounts(etc: Etc) -> None:
    etc.write(config="retry: {max_attempts: 3}")
    (etc.path / "accounts.yaml").write_text("[[[")
    files = locate({}, config=etc.path / "rebalancer.yaml")
    assert load_service(files, {}).retry.max_attempts == 3
