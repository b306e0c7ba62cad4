"""IBKR Portfolio Rebalancer: a signal becomes the right filled orders, once.

ARCHITECTURE.md follows one event through these packages.
"""

__version__ = "0.1.0"
