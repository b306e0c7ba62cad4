"""The operator's own settings and accounts, played through on a simulated gateway.

``starts.py``  what each account begins with: its last snapshot, a record, or cash
``setting.py`` the simulated world made of that, of prices and of a scenario
``replay.py``  a recorded run, with the target and the rules it had
``play.py``    the real processor on a private Redis and a private gateway, and what came of it

The real Redis is only read, by whoever calls; nothing here knows where it is. The processor is
given the private one and a port of 127.0.0.1 that was opened for it, and no other.
"""
