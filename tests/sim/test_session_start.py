"""How a conversation starts, and how it does not."""

from __future__ import annotations

import pytest

from rebalancer.sim.protocol.wire import frame
from rebalancer.sim.session import HANDSHAKE, MAX_BACKLOG
from tests.support.sim_client import NOON, Client, Speaker, errors, names


def test_the_greeting() -> None:
    client = Speaker().client(5)
    assert names(client.greeting) == [
        "managedAccounts",
        "nextValidId",
        "error",
        "error",
        "error",
    ]
    assert client.greeting[0].fields == ("1", "DU1000001,DU1000002")
    assert client.greeting[1].fields == ("1", "1")
    assert errors(client.greeting) == [("-1", 2104), ("-1", 2106), ("-1", 2158)]


@pytest.mark.parametrize(
    "versions", ["v157..178", "v100..226", "v100..226 +PACEAPI", "v178", "v178..178"]
)
def test_the_version_answer_is_two_fields_and_nothing_else(versions: str) -> None:
    client = Client(Speaker())
    client.hello(versions)
    data = client.take_bytes()
    length = int.from_bytes(data[:4], "big")
    assert data[4:].split(b"\0") == [b"178", b"20260107 10:00:00 EST", b""]
    assert len(data) == 4 + length


@pytest.mark.parametrize("versions", ["v179..226", "v100..177", "v66"])
def test_versions_that_do_not_meet(versions: str) -> None:
    client = Client(Speaker())
    client.hello(versions)
    assert errors(client.take()) == [("-1", 503)]
    assert client.closed


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b"API\0\x7f\0\0\0"])
def test_strangers_are_told_so_and_cut_off(data: bytes) -> None:
    client = Client(Speaker())
    client.raw(data)
    assert errors(client.take()) == [("-1", 507)]
    assert client.closed


def test_a_client_id_in_use_is_refused_until_it_is_free() -> None:
    speaker = Speaker()
    first = speaker.client(5)
    second = speaker.client(5)
    assert errors(second.greeting) == [("-1", 326)]
    assert second.closed
    assert not first.closed
    speaker.hub.close(first.session)
    assert names(speaker.client(5).greeting)[0] == "managedAccounts"


def test_a_second_start_changes_nothing() -> None:
    client = Speaker().client(5)
    assert errors(client.answers("startApi", 6, "")) == [("-1", 501)]
    assert names(client.answers("reqCurrentTime")) == ["currentTime"]


def test_nothing_is_answered_before_the_start() -> None:
    client = Client(Speaker())
    client.hello("v157..178")
    client.take()
    assert errors(client.answers("reqCurrentTime")) == [("-1", 504)]
    assert errors(client.answers("startApi", -3, "")) == [("-1", 320)]
    assert names(client.answers("startApi", 1, ""))[0] == "managedAccounts"


def test_who_does_not_introduce_himself_is_dropped() -> None:
    speaker = Speaker()
    silent, started = Client(speaker), speaker.client(1)
    assert speaker.hub.next_wakeup(NOON) == NOON + HANDSHAKE
    speaker.pass_time(HANDSHAKE)
    assert silent.closed
    assert not started.closed


def test_a_length_beyond_reason_ends_only_this_conversation() -> None:
    speaker = Speaker()
    bad, good = speaker.client(1), speaker.client(2)
    bad.raw(b"\x7f\xff\xff\xff")
    assert errors(bad.take()) == [("-1", 507)]
    assert bad.closed
    assert names(good.answers("reqCurrentTime")) == ["currentTime"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\0", b"\0\0\0", b"999\0" * 3, b"abc\0", b"-1\0", b"\xff\xfe\0", b"9\0", b"1e3\0"],
)
def test_unreadable_messages_are_answered_with_320(payload: bytes) -> None:
    client = Speaker().client()
    client.raw(len(payload).to_bytes(4, "big") + payload)
    assert errors(client.take()) == [("-1", 320)]
    assert names(client.answers("reqCurrentTime")) == ["currentTime"]


# Pace ---------------------------------------------------------------------------------------


def _burst(client: Client, count: int) -> list[tuple[str, int]]:
    client.raw(frame([49, 1]) * count)
    said = client.take()
    return [("time", 0) if each.name == "currentTime" else errors([each])[0] for each in said]


def test_fifty_messages_a_second_are_fine() -> None:
    speaker = Speaker()
    client = speaker.client()
    speaker.pass_time(1)
    for _ in range(3):
        assert _burst(client, 50) == [("time", 0)] * 50
        speaker.pass_time(1)


def test_more_are_lost_and_scolded_once_a_second() -> None:
    speaker = Speaker()
    client = speaker.client()
    speaker.pass_time(1)
    assert _burst(client, 80) == [("time", 0)] * 50 + [("-1", 100)]
    assert not client.closed


def test_the_third_time_ends_it() -> None:
    speaker = Speaker()
    client = speaker.client()
    for times in (1, 2, 3):
        speaker.pass_time(1)
        client.raw(frame([49, 1]) * 51)
        assert client.take()[-1][3].endswith(f"({times})")
    assert client.closed


def test_a_client_that_asked_for_pacing_waits_instead() -> None:
    speaker = Speaker()
    client = speaker.client(versions="v100..226 +PACEAPI")
    speaker.pass_time(1)
    assert _burst(client, 80) == [("time", 0)] * 50
    speaker.pass_time(1)
    assert names(client.take()) == ["currentTime"] * 30


def test_a_backlog_has_an_end() -> None:
    speaker = Speaker()
    client = speaker.client(versions="v100..226 +PACEAPI")
    client.raw(frame([49, 1]) * 60)
    client.raw(frame([17, 1, "x" * 900_000]) * (MAX_BACKLOG // 900_000 + 1))
    assert client.closed
