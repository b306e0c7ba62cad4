"""Targets at the moment of an event: files read anew, URLs asked, holdings counted.

``http.py``      one GET: bounded in time and size, to one host, with a version
``bodies.py``    from a body to weights
``resolve.py``   an account's tree, fetched and grown
``holdings.py``  which positions a replacement set replaces
``drift.py``     how far holdings are from a target
``story.py``     a target with its whole tree as JSON

The files are settings': see ``settings/sources.py`` and ``settings/models.py``.
"""
