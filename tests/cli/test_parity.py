"""Whatever the API does, a command does; and every command's help shows how it is typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rebalancer.api.app import RESOURCES
from rebalancer.api.openapi import describe
from rebalancer.cli.examples import EXAMPLES
from rebalancer.cli.main import COMMANDS, cli
from tests.cli.conftest import Rebalancer

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    below = f"\n{PAGE.read_text()}".partition(f"\n{heading}\n")[2]
    found = []
    for line in below.splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "/").strip("|").split("|")
            found.append([cell.strip() for cell in cells])
        elif found:
            break
    return found[2:]


def parse(line: str) -> click.Command:
    """Read a command line to its end without carrying it out; returns the command."""
    command: click.Command = cli
    name: str | None = "rebalancer"
    words, above = shlex.split(line.partition(" > ")[0]), None
    while True:
        assert name is not None, line
        context = command.make_context(name, words, parent=above)
        words = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not words:
            break
        name, below, words = command.resolve_command(context, words)
        assert below is not None, line
        command, above = below, context
    assert not words, line
    return command


def leaves(
    command: click.Group = cli, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its name."""
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        path = (*above, name)
        if isinstance(below, click.Group):
            yield from leaves(below, path)
        if not isinstance(below, click.Group) or below.invoke_without_command:
            yield " ".join(path), below


def test_every_operation_of_the_api_has_its_command() -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in describe(RESOURCES)["paths"].items()
        for method in methods
    }
    named = {operation.strip("`") for operation, _ in table("## What the API and the page do")}
    assert described == named


def test_every_command_of_that_table_can_be_typed() -> None:
    for operation, commands in table("## What the API and the page do"):
        typed = [part.strip(" `") for part in commands.split(",")]
        assert typed, operation
        for line in typed:
            assert parse(line).callback is not None, line


def test_the_reference_names_every_command() -> None:
    named = {row[0].strip("`").partition(" --")[0] for row in table("# The command line")}
    said = {" ".join(word for word in name.split() if word.islower()) for name in named}
    assert {name for name, _ in leaves()} - {"history list"} - said == set()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_ends_with_examples_that_can_be_typed(
    rebalancer: Rebalancer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rebalancer.folder)
    (rebalancer.folder / "history.json").touch()
    mine = [leaf for leaf, _ in leaves() if leaf.split()[0] == name]
    for leaf in mine:
        shown = rebalancer(*leaf.split(), "--help").out
        for example in EXAMPLES[leaf]:
            assert f"\n    rebalancer {example}\n" in shown
            assert leaf.split()[0] in example.split()
            parse(example)


def test_no_example_is_of_a_command_that_is_gone() -> None:
    assert set(EXAMPLES) - {name for name, _ in leaves()} - {"history"} == set()


def test_options_that_mean_the_same_are_called_the_same() -> None:
    flags: dict[str, set[tuple[str, ...]]] = {}
    for _, command in leaves():
        for one in command.params:
            if isinstance(one, click.Option):
                for flag in one.opts:
                    flags.setdefault(flag, set()).add(tuple(one.opts))
    assert {flag: ways for flag, ways in flags.items() if len(ways) > 1} == {}


def test_whatever_answers_answers_in_json_too() -> None:
    silent = {"broker", "processor", "api", "notify", "sim", "completion"}
    other = {"history export", "api openapi"}  # JSON by itself
    for name, command in leaves():
        has = any("--json" in one.opts for one in command.params)
        assert has == (name not in silent | other), name
