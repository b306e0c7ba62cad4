"""Tells people what happens. Trading never waits for it: it is a process of its own.

``notices.py``   from an entry of the journal to a notice, or to nothing: one table
``outbox.py``    what waits to be told at one service: when, together with what, how often
``services.py``  where it is told: ntfy, mail, Telegram … through apprise
``follower.py``  one service: reads the journal, tells, and only then acknowledges
``watch.py``     looks whether the other programs live
``daemon.py``    owns the process; ``start.py`` puts it together from the settings

Each service follows the journal under a name of its own (``queue/followers.py``), so that one
that is down holds up no other. An entry is acknowledged once it was told: killed anywhere, the
next process is given it again.
"""
