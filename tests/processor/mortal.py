"""``python -m tests.processor.mortal WHEN processor``: a processor that kills itself.

WHEN is ``before`` or ``after``: right before the move that ends an event with its record is
sent to Redis, or right after it was answered. It does so once: a file in $MORTAL remembers.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from rebalancer.cli.main import main
from rebalancer.queue.move import Move
from rebalancer.queue.store import AsyncQueue

ENDINGS = {"complete", "retry", "delay", "bury"}


def _dying(when: str, died: Path) -> None:
    run = AsyncQueue.run

    lives = not died.exists()

    async def mortal_run(self: AsyncQueue, move: Move[Any]) -> Any:
        now = lives and move.script in ENDINGS
        if now and when == "before":
            _die(died)
        answer = await run(self, move)
        if now:
            _die(died)
        return answer

    setattr(AsyncQueue, "run", mortal_run)  # noqa: B010 - a signature of its own


def _die(died: Path) -> None:
    died.touch()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _dying(sys.argv[1], Path(os.environ.pop("MORTAL")))
    sys.exit(main(sys.argv[2:]))
