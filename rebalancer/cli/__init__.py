"""What an operator types: one file per command, imported only when it is typed.

``main.py``        the table of commands, and from an error to an exit code
``options.py``     what every command shares: files, settings, the queue
``examples.py``    what the help of each command ends with
``completing.py``  what a shell offers at TAB
``output.py``      the same answer as JSON for scripts and as text or tables for people

A command parses, calls one thing, and prints. Results go to stdout, everything else to stderr.
"""
