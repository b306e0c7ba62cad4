from __future__ import annotations

import pytest

from rebalancer.errors import PermanentError
from rebalancer.ingest import accept


def test_a_signal_becomes_an_event() -> None:
    event = accept(
        "U123456",
        "rebalance",
        now=5.0,
        source="cli",
        event_id="abc-1",
        priority="high",
        data={"note": "monthly"},
    )
    assert event.key == "U123456:rebalance"
    assert (event.event_id, event.priority, event.received_at) == ("abc-1", "high", 5.0)
    assert event.data == {"note": "monthly"}


def test_ids_are_made_up_and_differ() -> None:
    ids = {accept("U123456", "rebalance", now=0.0, source="cli").event_id for _ in range(50)}
    assert len(ids) == 50


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"account_id": "U1:x"}, "not an IBKR account id"),
        ({"account_id": ""}, "not an IBKR account id"),
        ({"exec_command": "sell-all"}, "known are: rebalance"),
        ({"event_id": "a b"}, "1 to 64"),
        ({"event_id": "x" * 65}, "1 to 64"),
        ({"priority": "urgent"}, "neither normal nor high"),
    ],
)
def test_what_can_never_run_is_refused(changes: dict[str, str], says: str) -> None:
    signal = {"account_id": "U123456", "exec_command": "rebalance", **changes}
    with pytest.raises(PermanentError, match=says):
        accept(now=0.0, source="cli", **signal)  # type: ignore[arg-type]
