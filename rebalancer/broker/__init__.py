"""Signals in: sources of every kind, one path into the queue.

::

    clock.py  ─┐
    spool.py  ─┼─▶ intake.py ─▶ enqueue      daemon.py runs the sources, start.py the process
    …         ─┘

A **source** is a frozen dataclass of plain values with

- ``name``: under which its signals are counted and its troubles told,
- ``about()``: a few words for the daemon's status line,
- ``async run(intake)``: hear signals until cancelled, and hand each to the ``Intake``.

To add one, write its file here, name its class in ``daemon.Source`` and build it from the
settings in ``configured.py``. Everything else is the same for all:

- ``intake.accept(event)`` returns when the signal is in Redis, however long that is down. Only
  then may a source acknowledge, move a file, or go on. Until then it holds back what comes.
- A source gives each signal an event id made of what it heard, so that after a kill between
  ``accept`` and its own acknowledgement the second hearing changes nothing. Being cancelled is
  such a kill.
- What can never run goes to ``intake.reject``: journal and counter, no exception.
- An exception that escapes ``run`` ends no other source: it is told, and ``run`` is called
  again after a pause. ``intake.trouble`` tells a person once of what a source waits for.
- What others may want to know goes to ``intake.show``, and stands in the sign of life.
- At a reload sources that are equal to their successors run on; the others are cancelled and
  their successors started.

``rebalancer.ingest`` makes events of messages, for every source alike. ``calendars.py`` knows
when exchanges trade, ``rules.py`` and ``schedule.py`` what is due when.
"""
