from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def wheelhouse() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "wheelhouse", PROJECT / "packaging/wheelhouse.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_same_source_makes_the_same_wheel(wheelhouse: ModuleType, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(wheelhouse.build_own(tmp_path / name))
    assert made[0].read_bytes() == made[1].read_bytes()
    with zipfile.ZipFile(made[0]) as wheel:
        assert "rebalancer/queue/lua/enqueue.lua" in wheel.namelist()
        assert not [name for name in wheel.namelist() if name.startswith("tests")]


def test_each_python_gets_its_own_versions(wheelhouse: ModuleType) -> None:
    old, new = wheelhouse.locked_for("3.11"), wheelhouse.locked_for("3.13")
    # Debian 12 has 3.11.2, which needs what later releases of 3.11 do not.
    assert "async-timeout==" in old
    assert "async-timeout==" not in new
    assert old.count("\nnumpy==") == new.count("\nnumpy==") == 1
    assert " ; " not in old + new


def test_every_file_is_in_the_sums_and_our_wheel_in_the_lock(
    wheelhouse: ModuleType, tmp_path: Path
) -> None:
    own = tmp_path / "ibkr_rebalancer-1.2.3-py3-none-any.whl"
    own.write_bytes(b"wheel")
    wheelhouse.write_lock(tmp_path, own)
    wheelhouse.write_sums(tmp_path)
    digest = hashlib.sha256(b"wheel").hexdigest()
    lock = (tmp_path / "install.lock").read_text()
    assert lock.startswith(f"ibkr-rebalancer==1.2.3 --hash=sha256:{digest}\n")
    sums = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert f"{digest}  {own.name}" in sums
    assert [line.split("  ")[1] for line in sums] == [own.name, "install.lock"]
