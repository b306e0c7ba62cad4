"""``broker.channels``: what is right, what is refused, and whom a channel may signal."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebalancer.broker.calendars import Almanac
from rebalancer.broker.channel import Channel
from rebalancer.broker.channel_presets import Endpoint
from rebalancer.broker.configured import sources
from tests.settings.conftest import Etc

ACCOUNTS = """\
- {account_id: DU1000001, type: paper, strategy_name: core, targets: {SPY: 1}}
- {account_id: DU1000002, type: paper, strategy_name: core, targets: {SPY: 1}}
- {account_id: DU1000003, type: paper, strategy_name: bonds, targets: {SPY: 1}}
- {account_id: DU1000004, type: paper, targets: {SPY: 1}}
- {account_id: U1000005, type: live, strategy_name: other, targets: {SPY: 1}}
"""


def written(etc: Etc, *entries: str) -> Etc:
    lines = "".join(f"    - {{{entry}}}\n" for entry in entries)
    return etc.write(config=f"broker:\n  channels:\n{lines}", accounts=ACCOUNTS)


def channels(etc: Etc) -> list[Channel]:
    found = sources(
        etc.load(), Almanac(), starting=True, secret=lambda name: Path("/held", name)
    )
    return [one for one in found if isinstance(one, Channel)]


def reached(channel: Channel) -> list[str]:
    return sorted(channel.audience.strategies)


def test_ably_has_a_stream_for_each_strategy(etc: Etc) -> None:
    bonds, core = channels(written(etc, "name: a, preset: ably, credential: key"))
    assert bonds.name == "channel:a/bonds"
    assert core.endpoint == Endpoint("ably", "https://main.realtime.ably.net/sse", "core")
    assert core.strategy == "core"
    assert core.credential == Path("/held/key")
    assert (core.silence, core.keeps) == (60.0, 120.0)
    assert reached(core) == ["DU1000001", "DU1000002"]
    assert core.audience.why_not("DU1000003") == (
        "channel a/core may not signal account DU1000003"
    )
    assert "is of type live" in core.audience.why_not("U1000005")


def test_ntfy_and_others_have_one(etc: Etc) -> None:
    ntfy, one, every = channels(
        written(
            etc,
            "name: n, preset: ntfy, topic: bonds, accounts: [DU1000003, DU1000004]",
            "name: o, preset: generic, url: 'https://x.example/s', strategies: core, "
            "keeps_seconds: 60, silence_seconds: 30",
            "name: e, preset: generic, url: 'http://127.0.0.1:1/s?a=b'",
        )
    )
    assert ntfy.endpoint == Endpoint("ntfy", "https://ntfy.sh", "bonds")
    assert (ntfy.strategy, ntfy.keeps) == ("bonds", 43_200.0)
    assert reached(ntfy) == ["DU1000003", "DU1000004"]
    assert (one.strategy, one.keeps, one.silence) == ("core", 60.0, 30.0)
    assert (every.strategy, every.credential) == ("", None)
    assert len(reached(every)) == 4


@pytest.mark.parametrize("written_as", ["none", "[]"])
def test_there_may_be_none(etc: Etc, written_as: str) -> None:
    etc.write(config=f"broker: {{channels: {written_as}}}", accounts=ACCOUNTS)
    assert channels(etc) == []


GENERIC = "name: g, preset: generic, url: "


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("name: 'a b', preset: ably", "channels[0].name: found 'a b'; expected 1 to 32"),
        ("name: a, preset: pusher", "preset: found 'pusher'; expected ably, ntfy or generic"),
        ("name: a, preset: ably", "channels[0].credential: found no such key"),
        (
            "name: a, preset: ably, credential: k, topic: t",
            "topic: found 't'; expected no such",
        ),
        ("name: n, preset: ntfy", "channels[0].topic: found no such key"),
        ("name: n, preset: ntfy, topic: 'a/b'", "topic: found 'a/b'"),
        ("name: n, preset: ntfy, topic: t, url: 'https://x/?a=1'", "url: found a query"),
        ("name: g, preset: generic", "channels[0].url: found no such key"),
        (GENERIC + "'ftp://x'", "url: found another text"),
        (GENERIC + "'https://x:99999/'", "url: found another text"),
        (GENERIC + "'https://u:p@x/'", "url: found a URL with a password"),
        (GENERIC + "'https://x/#a'", "expected a URL"),
        (GENERIC + "'http://x/'", "url: found http; expected https, or allow_http"),
        (GENERIC + "'http://10.0.0.1/'", "url: found http; expected https, or allow_http"),
        (GENERIC + "'https://x/', strategies: [core, nobody]", "strategies: found 'nobody'"),
        (GENERIC + "'https://x/', accounts: DU9", "accounts: found 'DU9'; expected one that"),
        (GENERIC + "'https://x/', silence_seconds: 0", "silence_seconds: found '0'"),
        (GENERIC + "'https://x/', keeps_seconds: 60", "found 120; expected less than keeps_"),
        (GENERIC + "'https://x/', key: k", "channels[0].key: found an unknown key"),
    ],
)
def test_what_is_refused(etc: Etc, entry: str, said: str) -> None:
    [problem] = written(etc, entry).said()
    assert said in problem
    assert "u:p" not in problem


def test_http_may_be_allowed(etc: Etc) -> None:
    assert channels(written(etc, GENERIC + "'http://10.0.0.1/', allow_http: true"))


def test_a_name_stands_once(etc: Etc) -> None:
    [problem] = written(etc, GENERIC + "'https://x/'", GENERIC + "'https://y/'").said()
    assert "channels[1].name: found 'g' again; expected each name once" in problem
