"""Behind ``exchange.py``: the rooms of a broker and its exchange, pure and clockless.

``desk`` takes orders in (``admission`` checks the request, ``funds`` the money, ``tif`` the
time), ``floor`` works them (``matching`` finds their price), ``clearing`` books what was filled
(``ledger``, ``commissions``), ``cancelling`` takes orders out. ``market`` knows instruments
(``pairs`` are currencies), prices and hours (``market_hours``; ``market_data`` shows them,
``history`` makes them up), ``statements`` reports on accounts (``standing`` values them),
``records`` on what was. All of them share one ``book``, which ``plain`` turns into JSON and
back; ``quirks`` lets a scenario's faults at an order.
"""
