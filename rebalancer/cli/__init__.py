"""What an operator types: one file per command, imported only when it is typed.

``main.py``     the table of commands, and from an error to an exit code
``options.py``  what every command shares: files, settings, the queue
``output.py``   the same answer as JSON for scripts and as text or tables for people

A command parses, calls one thing, and prints. Results go to stdout, everything else to stderr.
"""
