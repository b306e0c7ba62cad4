"""Account, port and trading mode must agree before anything is traded."""

from __future__ import annotations

import pytest

from rebalancer.errors import WrongGatewayError
from rebalancer.gateway.identity import Mode, check, mode_of


@pytest.mark.parametrize(
    ("account_id", "mode"),
    [("DU1000001", "paper"), ("DF1000001", "paper"), ("U1000001", "live"), ("F1", "live")],
)
def test_the_prefix_tells_paper_from_live(account_id: str, mode: Mode) -> None:
    assert mode_of(account_id) == mode


@pytest.mark.parametrize(
    ("account_id", "expected", "trading_mode", "says"),
    [
        ("DU1", "paper", "live", "configured for live trading"),
        ("U1", "live", "paper", "configured for paper trading"),
        ("U1", "paper", "paper", "is a live account by its name"),
        ("DU1", "live", "live", "is a paper account by its name"),
        ("DU2", "paper", "paper", "not managed by the login"),
    ],
)
def test_any_disagreement_is_refused(
    account_id: str,
    expected: Mode,
    trading_mode: Mode,
    says: str,
) -> None:
    with pytest.raises(WrongGatewayError, match=says):
        check(
            account_id,
            expected,
            trading_mode=trading_mode,
            managed={"DU1", "U1"},
            host="127.0.0.1",
            port=4002,
        )


def test_the_usual_meaning_of_the_port_is_a_hint() -> None:
    with pytest.raises(WrongGatewayError, match="port 4001 is usually live"):
        check(
            "DU1",
            "paper",
            trading_mode="paper",
            managed={"U1"},
            host="127.0.0.1",
            port=4001,
        )


def test_agreement_passes() -> None:
    check(
        "DU1",
        "paper",
        trading_mode="paper",
        managed={"DU1"},
        host="127.0.0.1",
        port=4002,
    )
