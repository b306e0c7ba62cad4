"""The Lua files keep their form: a header that is true, names that agree, nothing unused."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from rebalancer.queue import keys, scripts

FOLDER = resources.files("rebalancer.queue") / "lua"
SCRIPTS = sorted(f.name.removesuffix(".lua") for f in FOLDER.iterdir() if f.name[-4:] == ".lua")
PARTS = sorted(f.name.removesuffix(".lua") for f in (FOLDER / "lib").iterdir())


def _source(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text()


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_header_names_every_argument(name: str) -> None:
    header, _, _ = _source(name).partition("\n--@include")
    described = {int(n) for n in re.findall(r"^-- ARGV\[(\d+)", header, re.MULTILINE)}
    for low, high in re.findall(r"^-- ARGV\[(\d+)\.\.(\d*)\]", header, re.MULTILINE):
        described |= set(range(int(low), int(high or 99) + 1))
    used = {int(n) for n in re.findall(r"ARGV\[(\d+)\]", scripts.load(name).source)}
    assert used <= described
    named = {int(n) for n in re.findall(r"^-- KEYS\[(\d+)\]", header, re.MULTILINE)}
    assert {int(n) for n in re.findall(r"KEYS\[(\d+)\]", scripts.load(name).source)} == named
    assert re.search(r"^-- Returns ", header, re.MULTILINE)


def test_lua_and_python_use_the_same_names() -> None:
    lua = set(re.findall(r"'([a-z_]+)'", (FOLDER / "lib" / "keys.lua").read_text()))
    python = {value for name, value in vars(keys).items() if name.isupper()}
    assert lua == python - {keys.DAEMONS, keys.SNAPSHOTS, keys.CHANNELS}


def test_every_part_is_included_somewhere() -> None:
    included = {
        part for name in SCRIPTS for part in re.findall(r"--@include (\w+)", _source(name))
    }
    assert included == set(PARTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_is_left_to_include(name: str) -> None:
    assert "@include" not in scripts.load(name).source


def test_packing_counts_bytes() -> None:
    assert scripts.pack(["ä", b"xy"]) == b"$2\r\n\xc3\xa4\r\n$2\r\nxy\r\n"
    assert scripts.pack(["x" * 600]).startswith(b"$600\r\n")
