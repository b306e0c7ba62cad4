"""Where weights may stand, what they have to add up to, and models of models."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.errors import ConfigError, PermanentError, RebalancerError, RetryableError
from rebalancer.settings.models import NotFetchedError
from tests.settings.conftest import Etc

MIX = """\
accounts:
  - {account_id: DU1, type: paper, strategy_name: mix}
strategies:
  mix: {targets: {models: {equity: 70%, bonds: 30%}}}
  equity: {targets: {models: {us: 0.6, world: 0.4}}}
  us: {targets: {VTI: 1}}
  world: {targets: {VXUS: 80%, VTI/USD: 20%}}
  bonds: {targets: {BND: 100%}}
"""


def one(targets: str, *lines: str) -> str:
    more = "".join(f"    {line}\n" for line in lines)
    return f"accounts:\n  - account_id: DU1\n    type: paper\n    targets: {targets}\n{more}"


# Sums --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "targets", "found"),
    [
        ("cash", "{SPY: 0.5}", {"SPY": "0.5"}),
        ("cash", "{SPY: 1.0, BND: 0}", {"SPY": "1", "BND": "0"}),
        ("refuse", "{SPY: 0.333333, BND: 0.666666}", {"SPY": "0.333333", "BND": "0.666666"}),
        ("normalise", "{SPY: 0.2, BND: 0.2}", {"SPY": "0.5", "BND": "0.5"}),
        ("normalise", "{SPY: 0.9, BND: 0.9}", {"SPY": "0.5", "BND": "0.5"}),
    ],
)
def test_sums_that_do(etc: Etc, rule: str, targets: str, found: dict[str, str]) -> None:
    etc.write(accounts=one(targets, f"targets_sum: {rule}"))
    weights = etc.load().accounts["DU1"].target().weights
    assert weights == {symbol: Decimal(weight) for symbol, weight in found.items()}


@pytest.mark.parametrize(
    ("rule", "targets", "said"),
    [
        (
            "cash",
            "{SPY: 0.9, BND: 0.2}",
            "a sum of 1.1; expected weights that sum to at most 1",
        ),
        (
            "refuse",
            "{SPY: 0.9}",
            "a sum of 0.9; expected weights that sum to 1 (targets_su",
        ),
        ("refuse", "{SPY: 0.9, BND: 0.2}", "a sum of 1.1; expected weights that sum to 1"),
        ("normalise", "{SPY: 0}", "a sum of 0; expected weights that sum to more than 0"),
        ("off", "{SPY: 1}", "found 'off'; expected refuse, cash or normalise"),
    ],
)
def test_sums_that_do_not(etc: Etc, rule: str, targets: str, said: str) -> None:
    [problem] = etc.write(accounts=one(targets, f"targets_sum: {rule}")).said()
    assert said in problem


def test_the_account_says_before_the_strategy_before_the_defaults(etc: Etc) -> None:
    etc.write(
        config="defaults: {targets_sum: refuse}",
        accounts="""\
            accounts:
              - {account_id: DU1, type: paper, strategy_name: half, targets_sum: normalise}
              - {account_id: DU2, type: paper, strategy_name: half}
            strategies:
              half: {targets: {SPY: 50%}, targets_sum: cash}
            """,
    )
    accounts = etc.load().accounts
    assert accounts["DU1"].target().weights == {"SPY": 1}
    assert accounts["DU2"].target().weights == {"SPY": Decimal("0.5")}


def test_a_strategy_is_held_against_the_defaults_and_against_its_followers(etc: Etc) -> None:
    etc.write(
        config="defaults: {targets_sum: refuse}",
        accounts="""\
            accounts:
              - {account_id: DU1, type: paper, strategy_name: b, targets_sum: refuse}
            strategies:
              a: {targets: {SPY: 50%}}
              b: {targets: {SPY: 50%}, targets_sum: cash}
            """,
    )
    assert [problem.split(": found")[0] for problem in etc.said()] == [
        "accounts.yaml:2: accounts[0].targets_sum",
        "accounts.yaml:4: strategies.a.targets",
    ]


# Models of models --------------------------------------------------------------------------


def test_models_of_models_add_up(etc: Etc) -> None:
    target = etc.write(accounts=MIX).load().accounts["DU1"].target()
    assert target.weights == {
        "VTI": Decimal("0.476"),
        "VXUS": Decimal("0.224"),
        "BND": Decimal("0.3"),
    }
    assert target.source == "accounts.yaml, strategy mix, models equity, bonds"
    assert [o.name for o in target.origins] == [
        "strategy us",
        "strategy world",
        "strategy bonds",
    ]


def test_a_model_in_an_account_itself(etc: Etc) -> None:
    accounts = MIX.replace("strategy_name: mix", "targets: {models: {us: 0.5}}")
    assert etc.write(accounts=accounts).load().accounts["DU1"].target().weights == {
        "VTI": Decimal("0.5")
    }


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "us: {targets: {VTI: 1}}",
            "us: {targets: {models: {mix: 1}}}",
            "models in a circle: mix > equity > us > mix",
        ),
        (
            "us: {targets: {VTI: 1}}",
            "us: {targets: {models: {us: 1}}}",
            "models in a circle: us > us",
        ),
        ("us: 0.6", "usa: 0.6", "no strategy usa in accounts.yaml; there: mix, equity, us"),
        ("us: 0.6", "us: 0.7", "found a sum of 1.1; expected weights that sum to at most 1"),
        (
            "{us: 0.6, world: 0.4}",
            "{}",
            "found an empty mapping; expected at least one str",
        ),
        ("us: 0.6", "us: 60", "found '60'; expected a weight from 0 to 1"),
    ],
)
def test_models_refused(etc: Etc, before: str, after: str, said: str) -> None:
    assert before in MIX
    problems = etc.write(accounts=MIX.replace(before, after)).said()
    assert any(said in problem for problem in problems), problems


def test_deep_nesting_is_fine(etc: Etc) -> None:
    lines = ["accounts: [{account_id: DU1, type: paper, strategy_name: m0}]", "strategies:"]
    lines += [f"  m{n}: {{targets: {{models: {{m{n + 1}: 1}}}}}}" for n in range(40)]
    lines += ["  m40: {targets: {SPY: 1}}"]
    etc.write(accounts="\n".join(lines))
    assert etc.load().accounts["DU1"].target().weights == {"SPY": 1}


# Files -------------------------------------------------------------------------------------

CSV = "symbol,weight\nVTI,60%\nBRK B,0.4\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", CSV),
        ("m.csv", "\ufeffName,Allocation,Symbol\r\nUS, 0.6 ,VTI\r\n\r\nx,40%,BRK B\r\n"),
        ("m.yaml", "# today's\nVTI: 60%\nBRK B: 40%\n"),
        ("m.yml", "{VTI: .6, BRK B: .4}\n"),
    ],
)
def test_a_model_in_a_file(etc: Etc, name: str, content: str) -> None:
    (etc.path / name).write_text(content, encoding="utf-8", newline="")
    etc.write(accounts=one(f"{{file: {name}}}"))
    settings = etc.load()
    target = settings.accounts["DU1"].target()
    assert target.weights == {"VTI": Decimal("0.6"), "BRK B": Decimal("0.4")}
    assert target.source == f"accounts.yaml, account DU1, {name}"
    [origin] = target.origins
    assert (origin.kind, origin.location, len(origin.hash)) == ("file", name, 12)
    assert settings.warnings == ()


def test_a_file_may_be_a_mix_of_strategies(etc: Etc) -> None:
    (etc.path / "m.yaml").write_text("models: {us: 50%, bonds: 50%}\n")
    etc.write(accounts=MIX.replace("{models: {equity: 70%, bonds: 30%}}", "{file: m.yaml}"))
    target = etc.load().accounts["DU1"].target()
    assert target.weights == {"VTI": Decimal("0.5"), "BND": Decimal("0.5")}
    kinds = [(origin.kind, origin.location) for origin in target.origins]
    assert kinds == [
        ("file", "m.yaml"),
        ("inline", "accounts.yaml"),
        ("inline", "accounts.yaml"),
    ]


def test_a_circle_through_a_file_is_found(etc: Etc) -> None:
    (etc.path / "m.yaml").write_text("models: {us: 50%, mix: 50%}\n")
    etc.write(accounts=MIX.replace("{models: {equity: 70%, bonds: 30%}}", "{file: m.yaml}"))
    settings = etc.load()
    with pytest.raises(ConfigError, match="models in a circle: mix > mix"):
        settings.accounts["DU1"].target()


def test_a_file_is_read_anew(etc: Etc) -> None:
    path = etc.path / "m.csv"
    path.write_text(CSV)
    account = etc.write(accounts=one("{file: m.csv}")).load().accounts["DU1"]
    first = account.target()
    path.write_text("symbol,weight\nVTI,1\n")
    assert account.target().weights == {"VTI": 1}
    assert account.target().origins[0].hash != first.origins[0].hash
    path.unlink()
    with pytest.raises(RetryableError, match=r"m\.csv: no such file"):
        account.target()


@pytest.mark.parametrize(
    ("name", "content", "kind", "said"),
    [
        ("m.csv", "symbol,weight\nVTI,60%\nBND,4", RetryableError, "its last line has no end"),
        ("m.yaml", "{VTI: 60%, BN", RetryableError, "its last line has no end"),
        ("m.yaml", "", RetryableError, "it is empty"),
        ("m.yaml", "\n", ConfigError, "found nothing; expected a mapping"),
        ("m.yaml", "{VTI: 60%,\n", ConfigError, "a syntax error"),
        ("m.yaml", "VTI: 60\n", ConfigError, "m.yaml:1: VTI: found '60'; expected a weight"),
        ("m.yaml", "VTI: 0.6\nBND: 0.5\n", ConfigError, "found a sum of 1.1; expected"),
        ("m.yaml", "file: other.yaml\n", ConfigError, "found the symbol 'file'"),
        ("m.yaml", "api: {url: 'https://x'}\n", ConfigError, "found the symbol 'api'"),
        ("m.csv", "VTI,1\n", ConfigError, "m.csv:1: found the columns VTI, 1; expected symbol"),
        ("m.csv", "symbol,weight\n", ConfigError, "found no symbols; expected at least one"),
        ("m.csv", "symbol,weight\nVTI\n", ConfigError, "m.csv:2: found 1 columns; expected 2"),
        (
            "m.csv",
            CSV + "VTI,0\n",
            ConfigError,
            "m.csv:4: VTI: found it again (first on li",
        ),
        ("m.csv", CSV + "BRK.B,0\n", ConfigError, "BRK.B: found BRK B in other words"),
        ("m.csv", 'symbol,weight\n"VTI,1\n', ConfigError, "expected CSV"),
        ("m.csv", "symbol,weight\nVTI,\n", ConfigError, "m.csv:2: VTI: found ''; expected a w"),
    ],
)
def test_a_file_that_is_no_model_is_an_error_when_it_is_needed(
    etc: Etc, name: str, content: str, kind: type[RebalancerError], said: str
) -> None:
    (etc.path / name).write_text(content)
    settings = etc.write(accounts=one(f"{{file: {name}}}")).load()
    with pytest.raises(kind) as refused:
        settings.accounts["DU1"].target()
    assert said in str(refused.value)
    # And the check says it before.
    assert any(said in str(warning) for warning in settings.warnings)


def test_a_file_of_other_bytes(etc: Etc) -> None:
    (etc.path / "m.csv").write_bytes(b"symbol,weight\nV\xffI,1\n")
    (etc.path / "n.csv").write_bytes(b"x" * 1_048_577)
    etc.write(
        accounts=one("{file: m.csv}")
        + one("{file: n.csv}").split("\n", 1)[1].replace("DU1", "DU2")
    )
    accounts = etc.load().accounts
    with pytest.raises(ConfigError, match="not UTF-8"):
        accounts["DU1"].target()
    with pytest.raises(ConfigError, match="more than 1048576 bytes"):
        accounts["DU2"].target()


# URLs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ("{file: m.txt}", "found 'm.txt'; expected a path that ends in .yaml, .yml or .csv"),
        ("{file: m.csv, SPY: 1}", "found file with SPY; expected file alone, or weights"),
        ("{api: {url: 'http://models.example.com'}}", "expected https, or allow_http: true"),
        ("{api: {url: 'https://u:p@example.com'}}", "expected a URL without a password"),
        ("{api: {url: 'ftp://example.com'}}", "expected a URL such as https://"),
        ("{api: {url: 'https://a b'}}", "expected a URL such as https://"),
        ("{api: {url: 'https://[x'}}", "found an unreadable URL"),
        (
            "{api: {url: 'https://x', credential: ../../etc/shadow}}",
            "expected the name of",
        ),
        ("{api: {url: 'https://x', timeout_seconds: 61}}", "above 0 and at most 60"),
        ("{api: {}}", "api.url: found no such key"),
        (
            "{json: {url: 'https://x', items: '$[', symbol: $.s, weight: $.w}}",
            "a JSONPath",
        ),
        (
            "{json: {url: 'https://x', items: $, symbol: $.s, weight: $.w, credential: k}}",
            "found a credential that is not sent; expected {credential} in one of `headers`",
        ),
        (
            (
                "{json: {url: 'https://x', items: $, symbol: $.s, weight: $.w, "
                "headers: {A: '{credential}'}}}"
            ),
            "found {credential}; expected a `credential` that is filled in",
        ),
        (
            "{json: {url: 'https://x', items: $, symbol: $, weight: $, headers: {'A:': b}}}",
            "found the header 'A:'; expected letters, digits and dashes",
        ),
    ],
)
def test_definitions_refused(etc: Etc, targets: str, said: str) -> None:
    problems = etc.write(accounts=one(targets, "strategy_name: m")).said()
    assert any(said in problem for problem in problems), problems
    assert not any("u:p@" in problem for problem in problems)


@pytest.mark.parametrize(
    "url",
    ["https://x", "http://127.0.0.1:8080/v1", "http://[::1]/", "http://localhost:1"],
)
def test_definitions_accepted_without_asking_anybody(etc: Etc, url: str) -> None:
    etc.write(accounts=one(f"{{api: {{url: '{url}'}}}}", "strategy_name: m"))
    settings = etc.load()
    assert settings.warnings == ()
    with pytest.raises(NotFetchedError, match="the weights are at http"):
        settings.accounts["DU1"].target()


def test_a_missing_credential_is_warned_of(etc: Etc, tmp_path: Path) -> None:
    targets = "{api: {url: 'https://x', credential: model_key}}"
    strategies = "strategies: {a: {targets: {models: {b: 1}}}, b: {targets: " + targets + "}}"
    etc.write(
        accounts=f"accounts: [{{account_id: DU1, type: paper, strategy_name: a}}]\n{strategies}"
    )
    [warning] = etc.load().warnings
    assert str(warning).split(": found ")[0].endswith(": strategies.b.targets")
    assert "credential model_key nowhere" in str(warning)
    (etc.path / "model_key").write_text("secret\n")
    assert etc.load().warnings == ()


def test_an_api_needs_a_strategys_name(etc: Etc) -> None:
    etc.write(accounts=one("{api: {url: 'https://x'}}"))
    [problem] = etc.said()
    assert "the URL needs a strategy_name" in problem


def test_without_targets_there_is_still_no_target(etc: Etc) -> None:
    etc.write(accounts="accounts: [{account_id: DU1, type: paper}]")
    with pytest.raises(PermanentError, match="add `targets`"):
        etc.load().accounts["DU1"].definition()
