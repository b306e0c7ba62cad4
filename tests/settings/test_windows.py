"""``gateway.windows``: what is read, what holds without it, what is refused."""

from __future__ import annotations

from datetime import time

import pytest

from rebalancer.core.windows import IBKR_WINDOWS, Window
from tests.settings.conftest import Etc


def test_without_the_key_ibkrs_own_hold(etc: Etc) -> None:
    gateway = etc.write().load().gateway
    assert gateway.windows == IBKR_WINDOWS
    assert (gateway.quiet_before_window_seconds, gateway.alert_after_seconds) == (300.0, 120.0)


def test_a_list_replaces_all_of_them(etc: Etc) -> None:
    etc.write(
        config="""
        gateway:
          windows:
            - {name: restart, start: 04:30, end: 04:40, time_zone: Europe/Berlin}
            - {name: login, start: "22:00", end: 02:00, days: [sat, sun], login: yes}
        """
    )
    assert etc.load().gateway.windows == (
        Window("restart", frozenset(range(7)), time(4, 30), time(4, 40), "Europe/Berlin"),
        Window("login", frozenset({5, 6}), time(22), time(2), login=True),
    )


@pytest.mark.parametrize("written", ["none", "[]"])
def test_they_can_be_switched_off(etc: Etc, written: str) -> None:
    assert etc.write(config=f"gateway: {{windows: {written}}}\n").load().gateway.windows == ()


def test_a_variable_switches_them_off(etc: Etc) -> None:
    etc.write(config="gateway: {windows: [{name: x, start: 01:00, end: 02:00}]}\n")
    assert etc.load({"REBALANCER_GATEWAY_WINDOWS": "none"}).gateway.windows == ()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{start: 01:00, end: 02:00}", "gateway.windows[0].name: found no such key"),
        ("{name: a, end: 02:00}", "gateway.windows[0].start: found no such key"),
        ("{name: a, start: 1am, end: 02:00}", "gateway.windows[0].start: found '1am'"),
        ("{name: a, start: 01:00, end: 24:00}", "gateway.windows[0].end: found '24:00'"),
        (
            "{name: a, start: 01:00, end: 01:00}",
            "gateway.windows[0].end: found '01:00'; expected another time than start (01:00)",
        ),
        (
            "{name: a, start: 01:00, end: 02:00, time_zone: US/New_York}",
            "gateway.windows[0].time_zone: found 'US/New_York'; expected a time zone",
        ),
        (
            "{name: a, start: 01:00, end: 02:00, days: [sunday]}",
            "gateway.windows[0].days[0]: found 'sunday'",
        ),
        (
            "{name: a, start: 01:00, end: 02:00, days: []}",
            "gateway.windows[0].days: found an empty list",
        ),
        (
            "{name: a, start: 01:00, end: 02:00, until: 03:00}",
            "gateway.windows[0].until: found an unknown key",
        ),
        (
            "{name: a, start: 01:00, end: 02:00}, {name: a, start: 03:00, end: 04:00}",
            "gateway.windows[1].name: found 'a' again; expected each name once",
        ),
    ],
)
def test_what_is_wrong_is_said(etc: Etc, entry: str, said: str) -> None:
    etc.write(config=f"gateway: {{windows: [{entry}]}}\n")
    assert f"rebalancer.yaml:1: {said}" in etc.said()[0]


@pytest.mark.parametrize("written", ["off", "nightly", "{name: a}"])
def test_only_a_list_or_none(etc: Etc, written: str) -> None:
    etc.write(config=f"gateway: {{windows: {written}}}\n")
    assert "expected a list of windows, or none" in etc.said()[0]
