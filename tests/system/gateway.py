"""What stands in for IBKR's installer and for IBC, in files that behave as theirs do.

The installer is one shell script that unpacks what it carries, unattended, into ``-dir``; IBC
is a zip. Inside, ``java`` is the simulated gateway on all interfaces and a small window.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

VERSION = "1030"
_PARTS = Path(__file__).parent / "standin"

_INSTALLER = """#!/bin/sh
# Takes what install4j's installers take for an unattended installation: -q -dir PATH
set -eu
[ "$1" = -q ] && [ "$2" = -dir ] || {{ echo "usage: $0 -q -dir PATH" >&2; exit 1; }}
mkdir -p "$3"
base64 -d <<'END' | tar -C "$3" -xzf -
{payload}
END
echo "$3/jre" >"$3/.install4j/inst_jre.cfg"
"""


@dataclass(frozen=True, slots=True)
class StandIn:
    """The two files, and what they have to hash to."""

    installer: Path
    installer_sha256: str
    ibc: Path
    ibc_sha256: str


def stand_in(folder: Path) -> StandIn:
    """Make the installer and the zip in ``folder``."""
    installer = folder / f"ibgateway-{VERSION}-standalone-linux-x64.sh"
    installer.write_text(_INSTALLER.format(payload=base64.encodebytes(_program()).decode()))
    ibc = folder / "IBCLinux-3.24.0.zip"
    with zipfile.ZipFile(ibc, "w") as archive:
        archive.writestr("IBC.jar", "")
        archive.writestr("version", "3.24.0\n")
        archive.write(_PARTS / "ibcstart.sh", "scripts/ibcstart.sh")
    return StandIn(installer, _sha256(installer), ibc, _sha256(ibc))


def _program() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (
            ("jars/jts.jar", b""),
            ("ibgateway", b"#!/bin/sh\nexit 1\n"),
            ("ibgateway.vmoptions", b"-Xmx768m\n"),
            (".install4j/i4jruntime.jar", b""),
            ("jre/bin/java", (_PARTS / "java").read_bytes()),
            ("window.tcl", (_PARTS / "window.tcl").read_bytes()),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
