from __future__ import annotations

from typing import Any

import pytest

from rebalancer.cli.story import tell

ORDER = {"action": "BUY", "quantity": 5, "symbol": "SPY"}


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("leased", {"token": 7}, ""),
        (
            "queued",
            {"exec_command": "rebalance", "priority": "high", "source": "cli"},
            "rebalance, high priority, from cli",
        ),
        ("intents", {"intents": [{"order": ORDER}, {"order": ORDER}]}, "BUY 5 SPY, BUY 5 SPY"),
        (
            "settled",
            {
                "intent": {"order": ORDER},
                "status": "cancelled",
                "filled": "2",
                "avg_price": "500",
                "reason": "too late",
            },
            "BUY 5 SPY cancelled, 2 filled at 500.0000 (too late)",
        ),
        (
            "dead",
            {"reason": "attempts exhausted", "error": "no price"},
            "attempts exhausted: no price",
        ),
        ("halted", {"orders": {"rb:1:1:SPY": "vacation"}}, "rb:1:1:SPY: vacation"),
    ],
)
def test_each_kind_has_its_words(kind: str, data: dict[str, Any], words: str) -> None:
    assert tell(kind, data) == words


def test_an_unknown_kind_is_shown_as_it_is() -> None:
    assert tell("tea", {"cups": 2}) == '{"cups": 2}'


def test_data_of_another_shape_are_shown_as_they_are() -> None:
    assert tell("settled", {"raw": "x"}) == '{"raw": "x"}'


def test_it_stays_one_line() -> None:
    assert tell("dead", {"reason": "a\nb", "error": "c"}) == "a b: c"
