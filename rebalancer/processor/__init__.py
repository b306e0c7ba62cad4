"""Events out of the queue, orders into the gateway.

``daemon.py`` leases events and owns the process; ``handle.py`` is one event's recipe;
``settle.py`` and ``trade.py`` are the two steps that touch orders; ``lease.py`` keeps an
event ours while it runs; ``report.py`` says in JSON what was found and done; ``ending.py``
and ``record.py`` end it and write down for good what was done.
"""
