"""When a person is told about the gateway: once that it is gone, once that it is back."""

from __future__ import annotations

from collections.abc import Iterable

from rebalancer.core.vigil import STEADY, Sight, Vigil, look

GRACE = 120.0


def gone(at: float, window: str = "", *, login: bool = False) -> Sight:
    return Sight(at, connected=False, reason="refused", window=window, login=login)


def here(at: float, rival: str = "") -> Sight:
    return Sight(at, connected=True, rival=rival)


def told(sights: Iterable[Sight], grace: float = GRACE) -> list[tuple[float, str]]:
    """When each alert came, and its title."""
    vigil, found = Vigil(), []
    for sight in sights:
        vigil, alerts = look(vigil, sight, grace)
        found += [(sight.at, alert.title) for alert in alerts]
    return found


def test_a_short_absence_is_not_told() -> None:
    assert told([here(0), gone(1), gone(119), here(120), here(200)]) == []


def test_a_long_absence_is_told_once_and_its_end_once() -> None:
    sights = [
        here(0),
        *(gone(t) for t in range(1, 1000)),
        *(here(t) for t in range(1000, 1100)),
    ]
    assert told(sights) == [(121, "IB Gateway is gone"), (1010, "IB Gateway is back")]


def test_from_the_start_it_counts_as_going_at_the_first_look() -> None:
    assert told([gone(0), gone(119.9)]) == []
    assert told([gone(0), gone(120)]) == [(120, "IB Gateway is gone")]


def test_one_that_comes_and_goes_is_one_absence() -> None:
    flapping = [gone(t) if t % 7 else here(t) for t in range(400)]
    assert told([*flapping, *(here(t) for t in range(400, 450))]) == [
        (121, "IB Gateway is gone"),
        (409, "IB Gateway is back"),
    ]


def test_in_a_window_nobody_is_told() -> None:
    night = [gone(t, "daily restart") for t in range(1800)]
    assert told([here(-1), *night, *(here(t) for t in range(1800, 1900))]) == []


def test_one_that_goes_shortly_before_a_window_is_expected() -> None:
    assert (
        told([gone(0), gone(60), gone(130, "daily restart"), gone(1000, "daily restart")]) == []
    )


def test_one_that_is_not_back_when_the_window_ends_is_told_then() -> None:
    vigil = Vigil()
    for t in range(1800):
        vigil, alerts = look(vigil, gone(t, "daily restart"), GRACE)
        assert alerts == ()
    vigil, (alert,) = look(vigil, gone(1800), GRACE)
    assert alert.title == "IB Gateway is gone"
    assert "30 minutes" in alert.text
    assert "not come back from: daily restart" in alert.text
    assert alert.remedy
    assert look(vigil, gone(1900), GRACE)[1] == ()


def test_a_login_that_ended_is_told_once_in_its_window_and_again_after_it() -> None:
    sights = [gone(t, "weekly login", login=True) for t in range(0, 40_000, 10)]
    sights += [gone(t) for t in range(40_000, 41_000, 10)]
    sights += [here(t) for t in range(41_000, 41_100, 10)]
    assert told(sights) == [
        (120, "IB Gateway needs its login confirmed"),
        (40_000, "IB Gateway is gone"),
        (41_010, "IB Gateway is back"),
    ]


def test_another_session_is_told_once_while_it_lasts() -> None:
    first, again = ([here(t, "10197") for t in range(at, at + 5)] for at in (0, 100))
    between = [here(t) for t in range(5, 100)]
    assert told([*first, *between, *again]) == [
        (0, "Another session of the login has the market data"),
        (100, "Another session of the login has the market data"),
    ]


def test_another_session_that_comes_and_goes_is_told_once() -> None:
    assert len(told([here(t, "10197" if t % 7 == 0 else "") for t in range(200)])) == 1


def test_another_session_is_not_told_anew_when_the_connection_drops_meanwhile() -> None:
    dropped = Sight(1, connected=False, reason="closed", rival="10197")
    assert len(told([here(0, "10197"), dropped, here(2, "10197")])) == 1


def test_a_short_grace_also_shortens_the_patience_for_its_return() -> None:
    assert told([gone(0), gone(1), here(2), here(3)], grace=0.3) == [
        (1, "IB Gateway is gone"),
        (3, "IB Gateway is back"),
    ]
    assert STEADY < GRACE
