"""The gateway's window as a person sees it: noVNC in Debian's chromium, through SSH."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.system.host import Host, until

CHROMIUM = Path("/usr/bin/chromium")

#: noVNC serves pages of localhost:6080 only, and that port may be taken on this machine; so the
#: browser takes another address of the loopback for it.
_ADDRESS = "127.107.60.80"

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP localhost {_ADDRESS}",
)

#: How many pixels of the screen have the colour of the stand-in's window.
_COUNT = """() => {
    const canvas = document.querySelector("canvas");
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let found = 0;
    for (let i = 0; i < data.length; i += 4)
        if (data[i] == 0xc0 && data[i + 1] == 0 && data[i + 2] == 0x40) found += 1;
    return found;
}"""


def seen(host: Host, password: str, screenshot: Path, user: str, key: Path) -> int:
    """Open the screen, keep a picture, and count the pixels of the stand-in's window."""
    with _tunnel(host, user, key), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        page = browser.new_page(viewport={"width": 1300, "height": 1060})
        page.goto(f"http://localhost:6080/vnc.html?autoconnect=1&password={password}")
        page.wait_for_selector("html.noVNC_connected", timeout=30_000)
        page.wait_for_function(f"({_COUNT})() > 0", timeout=30_000)
        screenshot.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=screenshot)
        found: int = page.evaluate(_COUNT)
        browser.close()
    return found


@contextmanager
def _tunnel(host: Host, user: str, key: Path) -> Iterator[None]:
    options = [option for option in host.ssh_options() if "IdentityFile" not in option]
    forward = ["-N", "-oExitOnForwardFailure=yes", "-L", f"{_ADDRESS}:6080:127.0.0.1:6080"]
    line = ["ssh", *options, f"-oIdentityFile={key}", *forward, f"{user}@{host.address}"]
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL)
    try:
        ask = ["ss", "-Hltn", f"src {_ADDRESS}:6080"]
        until(lambda: bool(subprocess.check_output(ask)), "no tunnel to the screen", 10.0)
        yield
    finally:
        process.terminate()
        process.wait(10.0)
