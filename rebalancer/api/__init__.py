"""The management API: what an operator wants to see or do, over HTTP on this machine.

It reads Redis and enqueues; it never talks to a gateway.

``serve.py``        gunicorn: one worker, threads, SIGHUP reads the settings again
``app.py``          the parts put together
``context.py``      what every request has at hand
``routes.py``       from a request to a view and back: parsed, checked, answered as documented
``openapi.py``      the description of all that, made of the same routes
``problem.py``      what can go wrong, as RFC 9457 has it
``tokens.py``       the secrets, and where they are
``auth.py``         who asks, and whether they may
``guard.py``        Host, Origin, sizes, headers
``idempotency.py``  a POST that is sent twice is done once
``follower.py``     one reader of the journal for all who watch it

One file per resource: ``health``, ``session``, ``queue``, ``deadletter``, ``accounts``,
``runs``, ``halts``, ``config``, ``stream``, ``webhooks``, ``scrape``, ``docs``. ``standing.py``
puts an account's state together, for the command line as well; ``metrics.py`` makes the figures
that ``scrape`` shows.
"""
