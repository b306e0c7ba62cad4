"""Tests on hosts that are really booted: ``make test-system``, as root.

``trees.py`` makes the file system of a bare host and keeps it, ``network.py`` puts a host
behind a link of its own, so that the tests see it as the internet does, and ``host.py`` boots
it under systemd and talks to it by SSH. Nothing is left on this machine but the kept trees.
"""
