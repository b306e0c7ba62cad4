"""IB Gateway, as the rest of the package sees it: core values in, core values out.

The only place that knows ib_async. What others use:

    connection.py  one socket kept alive; says when it may be trusted
    market.py      contracts (``contracts.py``) and prices (over the streams of ``lines.py``)
    snapshot.py    one account, freshly asked (``balances.py``)
    trading.py     orders sent and followed (``ticket.py``), found and cancelled
                   (``reconcile.py``) by what ``book.py`` remembers

Beneath them ``wire.py`` and ``decoder.py`` turn ib_async's callbacks into news for the current
``session.py``, an unbroken stretch in which what was read stays true; ``proof.py`` is what a
gateway must show before a session begins. ``convert.py`` is where floats become Decimal, and
``faults.py`` the table of what each code makes us do.

Three rules hold throughout. Every await ends by itself. Nobody polls: each network packet
rings once, and whoever waits looks again. A session that was interrupted is over, and all who
wait on it are told at once, because what happened meanwhile is never replayed.
"""
