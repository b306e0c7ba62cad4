"""Signals in: one file per source, one path into the queue.

``ingest.py`` turns a signal into an event and refuses what can never run; ``schedule.py`` is
the source that watches the clock; ``daemon.py`` owns the process. A signal counts as accepted
only when ``enqueue`` has returned.
"""
