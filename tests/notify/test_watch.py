from __future__ import annotations

from rebalancer.notify.watch import FORGOTTEN, look

NOBODY: frozenset[str] = frozenset()


def test_silence_is_told_once_and_so_is_the_return() -> None:
    silent, told = look(NOBODY, {"processor": 100.0, "broker": 150.0}, 160.0, 60.0)
    assert (silent, told) == (NOBODY, ())
    silent, told = look(silent, {"processor": 100.0, "broker": 150.0}, 161.0, 60.0)
    assert silent == {"processor"}
    assert [alert.title for alert in told] == ["The processor is silent"]
    assert "nothing is traded" in told[0].text
    silent, told = look(silent, {"processor": 100.0, "broker": 160.0}, 180.0, 60.0)
    assert told == ()
    silent, told = look(silent, {"processor": 181.0, "broker": 180.0}, 182.0, 60.0)
    assert silent == NOBODY
    assert [alert.title for alert in told] == ["The processor is back"]


def test_a_program_that_was_retired_is_forgotten_without_a_word() -> None:
    silent, told = look(frozenset({"api"}), {"api": 0.0}, FORGOTTEN + 1, 60.0)
    assert (silent, told) == (NOBODY, ())
    silent, told = look(frozenset({"api"}), {}, 10.0, 60.0)
    assert (silent, told) == (NOBODY, ())


def test_a_program_nobody_knows_is_watched_as_well() -> None:
    _, told = look(NOBODY, {"page": 0.0}, 100.0, 60.0)
    assert [alert.remedy for alert in told] == [
        "systemctl status rebalancer-page; rebalancer doctor"
    ]
