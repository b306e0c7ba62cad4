"""Write packaging/*.lock from pyproject.toml, for every supported Python, with hashes.

The resolver is the one installed by ``pip install uv`` into the development environment; no
package index is written into the locks, so they serve a mirror or a folder of wheels as well.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNTIME = HERE / "requirements.lock"
DEVELOPMENT = HERE / "requirements-dev.lock"


def compile_lock(target: Path, *arguments: str) -> None:
    """Resolve pyproject.toml into ``target``; versions already locked are kept."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    command += ["--extra", "demo", "--group", "build", "--output-file", str(target)]
    subprocess.run([*command, *arguments], check=True, cwd=HERE.parent)


def main() -> None:
    """Lock the runtime first; development builds on the same versions."""
    compile_lock(RUNTIME, *sys.argv[1:])
    compile_lock(DEVELOPMENT, "--group", "dev", "--constraint", str(RUNTIME), *sys.argv[1:])


if __name__ == "__main__":
    main()
