"""The roles say what their variables are, and the reference says the same."""

from __future__ import annotations

import re
import types
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "ansible/roles"
REFERENCE = (ROOT / "docs/reference/ansible.md").read_text()
NAMES = sorted(path.name for path in ROLES.iterdir())


def options(role: str) -> dict[str, dict[str, Any]]:
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    found: dict[str, dict[str, Any]] = specs["argument_specs"]["main"]["options"]
    return found


def shown(option: dict[str, Any]) -> str:
    """How the reference shows a default."""
    default = option.get("default")
    if option.get("required"):
        return "required"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`"
    return "-" if default == "" else f"`{default}`"


@pytest.mark.parametrize("role", NAMES)
def test_every_default_is_described_and_every_description_is_true(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    described = {name: o["default"] for name, o in options(role).items() if "default" in o}
    assert defaults == described


@pytest.mark.parametrize("role", NAMES)
def test_the_reference_has_every_variable(role: str) -> None:
    section = REFERENCE.split(f"\n## {role}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?)\.? ", section, re.MULTILINE)
    assert [(name, default) for name, default, _ in rows] == [
        (name, shown(option)) for name, option in options(role).items()
    ]


@pytest.mark.parametrize("role", NAMES)
def test_no_address_but_loopback_is_allowed(role: str) -> None:
    for name, option in options(role).items():
        if name.endswith(("_bind", "_host")):
            assert option["choices"] == ["127.0.0.1"]


@pytest.mark.parametrize("role", NAMES)
def test_every_role_has_its_promises_asked_for(role: str) -> None:
    promises = yaml.safe_load((ROLES / role / "vars/main.yml").read_text())
    assert promises[f"{role}_promises"]
    assert f"{role}_promises" in (ROLES / role / "tasks/verify.yml").read_text()


def test_every_unit_and_script_is_installed_by_somebody() -> None:
    loader = SourceFileLoader("release", str(ROLES / "rebalancer/files/rebalancer-release"))
    release = types.ModuleType("release")
    loader.exec_module(release)
    named: list[str] = []
    for role, name in (("redis", "redis_units"), ("monitoring", "monitoring_units")):
        named += yaml.safe_load((ROLES / role / "vars/main.yml").read_text())[name]
    folders = {
        "system": ("ib-gateway", "nftables.service.d", "host-firewall", "rebalancer-release"),
        "libexec": ("gateway-", "redis-", "wait-for-socket", "metrics"),
    }
    for folder, of_roles in folders.items():
        its_own = release.PLACES[folder][1]
        for file in (ROOT / "systemd" / folder).rglob("*"):
            name = str(file.relative_to(ROOT / "systemd" / folder))
            known = name.startswith((*of_roles, *its_own))
            assert file.is_dir() or known or name in named, f"{folder}/{name}"
