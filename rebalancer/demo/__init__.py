"""The whole system on one screen: real daemons, a real queue, a simulated gateway.

``stage.py``  the processes and their files, in a folder that goes away afterwards
``play.py``   the signals, and what is waited for
``tables.py`` what a person looks at
"""
