"""The failure modes of a gateway, each played against the processor.

``stage.py`` has what all of them share. In the other modules each function plays one mode, in
the world of its scenario; ``test_failure_modes.py`` plays all of them.
"""
