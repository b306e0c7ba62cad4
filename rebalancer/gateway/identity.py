"""Whether an account, the gateway it is reached through and the trading mode agree."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from rebalancer.errors import WrongGatewayError

Mode = Literal["paper", "live"]

#: Prefixes of paper accounts and of paper advisor accounts.
_PAPER = ("DU", "DF")
#: Usual ports of IB Gateway and TWS, for a hint.
_PORTS: dict[int, Mode] = {4001: "live", 7496: "live", 4002: "paper", 7497: "paper"}


def mode_of(account_id: str) -> Mode:
    """What kind of account an id names."""
    return "paper" if account_id.startswith(_PAPER) else "live"


def check(
    account_id: str,
    expected: Mode,
    *,
    trading_mode: Mode,
    managed: Collection[str],
    host: str,
    port: int,
) -> None:
    """Prove that an account may be traded through a gateway.

    Args:
        account_id: the account.
        expected: what the operator says it is.
        trading_mode: what the connection is meant for.
        managed: the accounts of the gateway's login.
        host: where the gateway listens.
        port: where the gateway listens.

    Raises:
        WrongGatewayError: they do not agree; the text says in what and how to mend it.
    """
    where = f"the gateway at {host}:{port}"
    actual = mode_of(account_id)
    if expected != trading_mode:
        raise WrongGatewayError(
            f"account {account_id} is configured as {expected}, but {where} is configured for "
            f"{trading_mode} trading",
        )
    if actual != expected:
        raise WrongGatewayError(
            f"account {account_id} is a {actual} account by its name, but is configured as "
            f"{expected}; correct its type",
        )
    if account_id not in managed:
        usual = _PORTS.get(port)
        hint = f"; port {port} is usually {usual}" if usual and usual != actual else ""
        raise WrongGatewayError(
            f"account {account_id} is not managed by the login of {where}, which has "
            f"{', '.join(sorted(managed))}{hint}; check account_id, port and login",
        )
