"""One reader of the journal for all who watch it.

A thread follows the journal while anybody watches and hands each entry to every watcher's
mailbox. A watcher that reads too slowly is cut off; it goes on where it was by its last id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from queue import Empty, Full
from queue import Queue as Mailbox

from rebalancer.errors import QueueError
from rebalancer.queue import journal
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Entry

log = logging.getLogger("rebalancer.api")

#: Watchers at the same time; each has a thread of the server.
MOST_WATCHERS = 64
#: Entries that wait for one watcher at most.
LARGEST_MAILBOX = 1000
#: Seconds that one look at the journal lasts; then it is seen whether anybody still watches.
LOOK = 1.0


class Watcher:
    """One who watches. ``None`` in the mailbox is the end."""

    def __init__(self) -> None:
        self._mailbox: Mailbox[Entry | None] = Mailbox(LARGEST_MAILBOX)
        self.cut_off = False

    def put(self, entry: Entry | None) -> None:
        """Hand over an entry; a full mailbox cuts the watcher off."""
        try:
            self._mailbox.put_nowait(entry)
        except Full:
            self.cut_off = True

    def next(self, wait: float) -> Entry | None:
        """The next entry; ``None`` if none came in ``wait`` seconds, or this is the end."""
        try:
            found = self._mailbox.get(timeout=wait)
        except Empty:
            return None
        if found is None:
            self.cut_off = True
        return found


class Follower:
    """Follows the journal of ``queue`` while somebody watches, and ``alive`` says so."""

    def __init__(self, queue: Queue, *, alive: Callable[[], bool] = lambda: True) -> None:
        self._queue = queue
        self._alive = alive
        self._lock = threading.Lock()
        self._watchers: set[Watcher] = set()
        self._running = False
        #: Never set: something to wait for while Redis is away.
        self._pause = threading.Event()

    def watch(self) -> Watcher | None:
        """Begin to watch what happens from now on; ``None``: too many do."""
        with self._lock:
            if len(self._watchers) >= MOST_WATCHERS or not self._alive():
                return None
            watcher = Watcher()
            if not self._running:
                position = self._queue.run(journal.last_id())
                thread = threading.Thread(target=self._follow, args=(position,), daemon=True)
                thread.start()
                self._running = True
            self._watchers.add(watcher)
            return watcher

    def leave(self, watcher: Watcher) -> None:
        """Watch no longer."""
        with self._lock:
            self._watchers.discard(watcher)

    def _follow(self, position: str) -> None:
        said = ""
        while self._wanted():
            try:
                news = self._queue.watch(position, wait=LOOK)
            except QueueError as error:
                if str(error) != said:
                    log.warning("the journal cannot be followed: %s", error)
                said = str(error)
                self._pause.wait(LOOK)
                continue
            said = ""
            for entry in news:
                position = entry.id
                for watcher in self._everybody():
                    watcher.put(entry)
        for watcher in self._everybody():
            watcher.put(None)

    def _wanted(self) -> bool:
        with self._lock:
            self._running = bool(self._watchers) and self._alive()
            return self._running

    def _everybody(self) -> Iterator[Watcher]:
        with self._lock:
            return iter(tuple(self._watchers))
