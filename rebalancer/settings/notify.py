"""``notify.services``: who is told what.

A module of its own, read only when a file names services, as ``windows.py`` is.
"""

from __future__ import annotations

from dataclasses import dataclass

from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import gather, key, one_of, one_or_more, section, text
from rebalancer.settings.problems import Problem

#: What switches all of them off, also by variable.
NONE = "none"
LEVELS = ("critical", "action", "routine")


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """One entry of ``notify.services``."""

    name: str = key(
        text("lower-case letters, digits and '-'", pattern=r"[a-z0-9][a-z0-9-]{0,31}"),
        about="What it is called here. Its place in the journal is kept under this name.",
    )
    url_file: str = key(
        text("a file name"),
        default="",
        about="""File that holds its apprise URL, which is a secret. A bare name is looked for
            among systemd's credentials ($CREDENTIALS_DIRECTORY), then beside rebalancer.yaml.
            Without it: notify_NAME.""",
    )
    url_variable: str = key(
        text("a variable's name", pattern=r"(?!REBALANCER_)[A-Z][A-Z0-9_]*"),
        default="",
        about="Variable that holds the URL, instead of a file.",
    )
    levels: tuple[str, ...] = key(
        one_or_more(one_of(*LEVELS)),
        default=LEVELS,
        about="""critical: look at it now. action: it waits for you. routine: good to know.""",
    )
    accounts: tuple[str, ...] = key(
        one_or_more(text("an account id", pattern=r"[A-Za-z0-9._-]{1,64}")),
        default=(),
        about="""Only notices about these accounts, and those about none in particular. Without
            it: about all.""",
    )


def services(item: Item) -> tuple[ServiceKeys, ...]:
    """A list of services, or the word ``none``."""
    expected = f"a list of services, or {NONE}"
    if not item.is_list:
        if item.text(expected) != NONE:
            # Somebody may have written a URL here, so it is not shown.
            raise item.refuse(expected, found="something else")
        return ()
    items = list(item.elements(expected))
    found = gather(section(ServiceKeys), items)
    problems: list[Problem] = []
    seen: set[str] = set()
    for place, one in zip(items, found, strict=True):
        if one.name in seen:
            problems.append(place.at("name").problem(f"'{one.name}' again", "each name once"))
        if one.url_file and one.url_variable:
            both = "url_file and url_variable"
            problems.append(place.at("url_variable").problem(both, "one of them"))
        seen.add(one.name)
    if problems:
        raise BadValueError(*problems)
    return found
