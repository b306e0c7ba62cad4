"""A simulated IB Gateway that speaks the TWS wire protocol at server version 178.

The layers, outermost first; each knows only those below it:

``server.py``    one asyncio socket server: the only I/O and the only clock
``hub.py``       the gateway, sans-I/O: all sessions, the exchange, who hears of what
``session.py``   one client's conversation, sans-I/O: bytes in, bytes out
``answers/``     what each request is answered with, by tables from message name to function
``protocol/``    the wire: framing, fields, messages; no behaviour
``exchange.py``  accounts, orders and fills: pure, driven by ``now``; ``venue/`` is its inside

Beside them: ``streams.py`` (what a client subscribed to), ``outbox.py`` (what waits to be
sent, and until when), ``pacing.py``; ``faults.py`` (the table of all faults), ``armed.py``
(which strikes when), ``mishaps.py`` and ``strikes.py`` (those of the wire); ``scenario.py``
and what it reads (worlds as YAML), ``world.py`` (worlds as values).

``vocabulary.py`` holds the two languages between a session and the exchange: the requests
that go in and the reports that come out.
"""
