"""The TWS protocol at server version 178: bytes to fields to values and back, no behaviour.

``wire.py``          framing and the hello
``layouts.py``       the three order messages as rows of names
``fields.py``        fields as integers, numbers, moments, contracts
``messages_in.py``   requests; ``orders_in.py`` placeOrder
``messages_out.py``  answers; ``orders_out.py``, ``accounts_out.py`` those of orders, accounts
"""
