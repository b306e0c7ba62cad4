"""What is wrong with the operator's files, as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rebalancer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. ``file`` may be ``environment``; ``line`` counts from 1, 0 is none."""

    file: str
    line: int
    #: Dotted path of the key (``accounts[0].targets.SPY``) or the variable's name.
    key: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        named = f"{place}: {self.key}" if self.key else place
        return f"{named}: found {self.found}; expected {self.expected}"


class InvalidSettingsError(ConfigError):
    """Everything wrong with all the files at once: ``problems``, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        by_place = sorted(problems, key=lambda problem: (problem.file, problem.line))
        self.problems: tuple[Problem, ...] = tuple(by_place)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """`` (did you mean X?)`` for the closest of ``choices``, or '' when nothing is close."""
    import difflib  # noqa: PLC0415 - only errors need it

    by_folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f" (did you mean {by_folded[close[0]]}?)" if close else ""


def any_of(choices: Iterable[str]) -> str:
    """``a, b or c``."""
    words = list(choices)
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
